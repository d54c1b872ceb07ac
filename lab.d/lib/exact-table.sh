# shellcheck shell=bash
# Exact figures out of what the guests printed.

# exact_least DIR KIND: "FIGURE LEAST SPREAD", the spread between the boots in per
# cent; "never" is more than any number.
exact_least() {
	awk '
		NR == FNR { wanted[$1] = 1; order[++n] = $1; next }
		$1 == "EXACT" { name = $2 }
		$1 == "RESULT" {
			for (i = 2; i <= NF; i++) {
				split($i, pair, "=")
				key = name "." pair[1]
				if (!(key in wanted) || pair[2] !~ /^-?[0-9.]+$/)
					continue
				value = pair[2] < 0 ? 1e12 : pair[2] + 0
				if (!(key in least) || value < least[key])
					least[key] = value
				if (!(key in most) || value > most[key])
					most[key] = value
			}
		}
		END {
			for (i = 1; i <= n; i++) {
				key = order[i]
				if (!(key in least))
					continue
				spread = least[key] > 0 && most[key] < 1e12 ? 100 * (most[key] / least[key] - 1) : 0
				printf "%s %s %.2f\n", key, (least[key] >= 1e12 ? "never" : least[key]), spread
			}
		}' OFMT=%.10g CONVFMT=%.10g <(exact_figures) "$1/$2"-*.out
}

# print_exact DIR
print_exact() {
	awk '
		FILENAME ~ /stock$/ { stock[$1] = $2; next }
		FILENAME ~ /patched$/ { patched[$1] = $2; spread[$1] = $3; next }
		function show(v) {
			if (v !~ /^[0-9.]+$/)
				return v == "" ? "-" : v
			return v >= 1000 ? sprintf("%.0f", v) : v >= 100 || v == int(v) ? sprintf("%.1f", v) : sprintf("%.3f", v)
		}
		{
			key = $1; kind = $2
			sub(/^[^ ]+ [^ ]+ /, "")
			ratio = "-"
			if (stock[key] > 0 && stock[key] ~ /^[0-9.]+$/ && patched[key] ~ /^[0-9.]+$/)
				ratio = sprintf("%.4f", patched[key] / stock[key])
			printf "%-58s %12s %12s %9s %8s\n", $0, show(stock[key]), show(patched[key]), ratio,
				spread[key] == "" ? "-" : spread[key] "%"
		}
		BEGIN { printf "%-58s %12s %12s %9s %8s\n", "instructions, or ms of a billion a second", "stock", "patched", "of stock", "spread" }
		' "$1/stock" "$1/patched" <(exact_figures)
}
