# shellcheck shell=bash
# The table "What changes for you" of the admin guide: each row names a test.
use suite

guards_page=$repo/Documentation/admin-guide/mm/oom_reaper.rst

# "ROW CELL-TEXT" for the last cell of each row but the heading; ROW is the first
# cell, with "_" for blanks.
guard_rows() {
	awk '
		function put() {
			if (n > 1) {
				gsub(/[^A-Za-z0-9.-]+/, "_", cell[1])
				print cell[1], columns == 4 ? cell[4] : ""
			}
			split("", cell)
			columns = 0
		}
		/^=+$/ && inside && title != "What changes for you" { exit }
		{ if (!/^=+$/) title = $0; else if (title == "What changes for you") inside = 1 }
		!inside { next }
		/^   \* - / { put(); n++ }
		/^   \* - |^     - / { columns++; cell[columns] = substr($0, 8); next }
		/^       / && columns { cell[columns] = cell[columns] " " substr($0, 8); next }
		END { put() }' "$guards_page"
}

# guard_exists PROGRAM.TEST: prints what is wrong with it and fails.
guard_exists() {
	local program=${1%%.*} test=${1#*.}

	# All of it is read: a pipe that is closed early would fail, too.
	if ! suite_names | grep -xF "$program" >/dev/null; then
		echo "$1: lab test runs no $program"
		return 1
	fi
	if ! source_tests "$selftests_source/oom_reaper/$program.c" | grep -xF "$test" >/dev/null; then
		echo "$1: $program.c has no test $test"
		return 1
	fi
}

check series.guards quick
check_series_guards() {
	local row text name bad=0 rows=0

	while read -r row text; do
		rows=$((rows + 1))
		# shellcheck disable=SC2016 # these are backticks of the page
		[[ $text == *'``'*.*'``'* ]] || {
			echo "${row//_/ }: no test"
			bad=1
		}
		while read -r name; do
			guard_exists "$name" || bad=1
		done < <(grep -o '[a-z0-9_]\+\.[a-z0-9_.]\+' <<<"$text")
	done < <(guard_rows)
	[ "$rows" -gt 0 ] || {
		echo "no table \"What changes for you\" in ${guards_page#"$repo"/}"
		bad=1
	}
	return $bad
}
