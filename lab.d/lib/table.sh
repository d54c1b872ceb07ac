# shellcheck shell=bash
# What was measured, as a table.
use scenario

# results DIR SCENARIO KEY: "STOCK PATCHED RATIO LOW HIGH LOW HIGH", medians, and the
# least and greatest of each. oom_bench's -1 says "not within the limit".
results() {
	local kind file

	for kind in stock patched; do
		for file in "$1/$kind-$2"-*.out; do
			sed -n -E "s/^RESULT scenario=[a-z_]+ (.* )?$3=([-0-9.]+).*/$kind \2/p" "$file"
		done
	done | awk '
		{ v = $2 < 0 ? 1e12 : $2; value[$1, ++n[$1]] = v }
		function sort(k,   i, j, t) {
			for (i = 2; i <= n[k]; i++)
				for (j = i; j > 1 && value[k, j] < value[k, j - 1]; j--) {
					t = value[k, j]; value[k, j] = value[k, j - 1]; value[k, j - 1] = t
				}
		}
		function median(k) {
			if (!n[k])
				return "-"
			return n[k] % 2 ? value[k, (n[k] + 1) / 2] : (value[k, n[k] / 2] + value[k, n[k] / 2 + 1]) / 2
		}
		function show(v) {
			if (v == "-")
				return v
			return v >= 1e11 ? "never" : v >= 100 || v == int(v) ? sprintf("%.0f", v) : sprintf("%.1f", v)
		}
		END {
			sort("stock"); sort("patched")
			s = median("stock"); p = median("patched")
			ratio = s == "-" || p == "-" || s >= 1e11 || p >= 1e11 || s <= 0 || p <= 0 ? "-" : \
				s / p >= 10 ? sprintf("%.0f", s / p) : sprintf("%.1f", s / p)
			print show(s), show(p), ratio, \
				n["stock"] ? show(value["stock", 1]) : "-", n["stock"] ? show(value["stock", n["stock"]]) : "-", \
				n["patched"] ? show(value["patched", 1]) : "-", n["patched"] ? show(value["patched", n["patched"]]) : "-"
		}'
}

# print_table DIR RUNS SCENARIO...
print_table() {
	local dir=$1 runs=$2 name key words stock patched ratio low high low2 high2 format='%-44s %12s %12s %9s'

	shift 2
	# shellcheck disable=SC2059
	printf "$format%s\n" '' stock patched ratio "$([ "$runs" -eq 1 ] || printf '   %s' 'range, stock | patched')"
	for name; do
		scenario_title "$name"
		while read -r key words; do
			read -r stock patched ratio low high low2 high2 < <(results "$dir" "$name" "$key")
			# shellcheck disable=SC2059
			printf "$format%s\n" "  $words" "$stock" "$patched" "$ratio" \
				"$([ "$runs" -eq 1 ] || printf '   %s..%s | %s..%s' "$low" "$high" "$low2" "$high2")"
		done < <(scenario_figures "$name" "$dir")
	done
}

# Every scenario must have given a result on both kernels.
complete() {
	local dir=$1 name kind

	shift
	for name; do
		for kind in stock patched; do
			grep -qs '^RESULT scenario=' "$dir/$kind-$name"-*.out || return 1
		done
	done
}
