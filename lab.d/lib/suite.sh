# shellcheck shell=bash
# The suites of lab test: a line in the table each, or a program without a line.
# "local -A suite; read_suite NAME" says what its guest is to be like:
#   name program source   its name, the program below selftests, that one's source
#   and the keys of the table, which are explained there
use fetch

suite_table=$top/lab.d/guest/suites
selftests_source=$repo/tools/testing/selftests

# Our test programs.
test_programs() {
	grep -lsE 'ksft_set_plan|kselftest_harness\.h"' "$selftests_source/oom_reaper"/*.c | sed 's:.*/::; s:\.c$::'
}

# The names in the table, and the programs that have no line in it.
suite_names() {
	local program

	awk '$1 !~ /^#/ && NF >= 2 { print $1 }' "$suite_table"
	for program in $(test_programs); do
		awk -v p="oom_reaper/$program" '$1 !~ /^#/ && $2 == p { found = 1 } END { exit !found }' "$suite_table" ||
			printf '%s\n' "$program"
	done
}

read_suite() {
	local line words word

	line=$(awk -v n="$1" '$1 == n { print; exit }' "$suite_table")
	read -r -a words <<<"${line:-$1 oom_reaper/$1}"
	suite=([name]=$1 [program]=${words[1]} [source]='' [mem]=512 [smp]=2 [nodes]=1 [swap]='' [zram]='' [cgroup]=v2
		[cmdline]='' [timeout]=120 [tests]='' [seconds]='' [stress]='' [kind]=quick [debug]=yes)
	for word in "${words[@]:2}"; do
		case ${word%%=*} in
		mem | smp | nodes | swap | zram | cgroup | cmdline | timeout | tests | seconds | stress | kind | debug)
			suite[${word%%=*}]=${word#*=}
			;;
		*) die "lab.d/guest/suites: $1 has \"$word\", which means nothing" ;;
		esac
	done
	[ "${suite[program]}" != kunit ] || return 0
	suite[source]=$selftests_source/${suite[program]}.c
	# The same source, built for 32 bits.
	[ -e "${suite[source]}" ] || suite[source]=${suite[source]%_32.c}.c
}

# The suite's tests, as the harness will name them: those that it is limited to, or all
# that its source has.
suite_tests() {
	if [ -n "${suite[tests]}" ]; then
		tr , '\n' <<<"${suite[tests]}"
	elif [ -e "${suite[source]}" ]; then
		source_tests "${suite[source]}"
	fi
}

# source_tests FILE
source_tests() {
	sed -n -E -e 's/^TEST(_SIGNAL|_TIMEOUT)?\( *([A-Za-z0-9_]+).*/\2/p' \
		-e 's/^TEST_F(_SIGNAL|_TIMEOUT)?\( *[A-Za-z0-9_]+ *, *([A-Za-z0-9_]+).*/\2/p' "$1"
}
