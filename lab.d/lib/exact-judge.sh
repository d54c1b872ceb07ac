# shellcheck shell=bash
# Exact figures beside those that are committed, and beside stock's.
use exact

# By how many per cent a figure may be above the committed one, and a path that
# has nothing to do with an OOM above stock's.
exact_limit=3
exact_limit_tick=15
exact_limit_stock=1

# judge_exact DIR FILE: FILE has the committed figures; empty, if there are none for
# these tools.
judge_exact() {
	awk -v limit="$exact_limit" -v limit_tick="$exact_limit_tick" -v limit_stock="$exact_limit_stock" -v committed_file="$2" '
		function number(v) { return v == "never" ? 1e12 : v + 0 }
		function above(what, ours, theirs, allowed) {
			if (number(ours) <= number(theirs) * (1 + allowed / 100) + 1e-9)
				return
			more = "worse"
			if (number(ours) < 1e12 && number(theirs) > 0)
				more = sprintf("%.2f %% more, %s %% allowed", 100 * (ours / theirs - 1), allowed)
			printf "%s: %s, %s is %s: %s\n", key, ours, what, theirs, more
			bad = 1
		}
		FILENAME ~ /\/stock$/ { stock[$1] = $2; next }
		FILENAME ~ /\/patched$/ { patched[$1] = $2; next }
		committed_file != "" && FILENAME == committed_file { if ($1 !~ /^#/) committed[$1] = $3; next }
		{
			key = $1; kind = $2
			if (patched[key] == "") {
				printf "%s: no figure on patched\n", key
				bad = 1
				next
			}
			if (kind == "path") {
				if (stock[key] == "") {
					printf "%s: no figure on stock\n", key
					bad = 1
				} else
					above("stock", patched[key], stock[key], limit_stock)
			}
			if (kind != "part" && committed[key] != "" && committed[key] != "-")
				above("committed", patched[key], committed[key], kind == "tick" ? limit_tick : limit)
			else if (kind != "part" && committed_file != "")
				printf "note: %s is not committed: lab bench --exact --update\n", key
		}
		END { exit bad }' "$1/stock" "$1/patched" ${2:+"$2"} <(exact_figures)
}

# exact_committed DIR FILE: the figures as they are committed.
exact_committed() {
	printf '# Least of %d boots; written by lab bench --exact --update.\n' "$exact_boots"
	printf '# Linux %s\n' "$(base_version)"
	awk '
		FILENAME ~ /stock$/ { stock[$1] = $2; next }
		FILENAME ~ /patched$/ { patched[$1] = $2; next }
		FNR == 1 { printf "%-34s %14s %14s\n", "# figure", "stock", "patched" }
		{ printf "%-34s %14s %14s\n", $1, stock[$1] == "" ? "-" : stock[$1], patched[$1] == "" ? "-" : patched[$1] }
		' "$1/stock" "$1/patched" <(exact_figures)
}
