# shellcheck shell=bash
# Results of tests, and the verdict of all together.

# A run of lab test: what it was told (seconds, minutes: numbers or empty; verbose), what
# lab mutants adds (append: kernel arguments; limit: seconds for a suite, or empty), and
# how many tests have passed, failed and were skipped.
declare -gA test_run=([seconds]='' [minutes]='' [verbose]='' [append]='' [limit]='' [passed]=0 [failed]=0 [skipped]=0)

# result pass|fail|skip NAME [DETAIL]: counted and shown.
result() {
	local kind=$1 name=$2 word

	shift 2
	case $kind in
	pass) test_run[passed]=$((test_run[passed] + 1)) word='ok     ' ;;
	fail) test_run[failed]=$((test_run[failed] + 1)) word='FAILED ' ;;
	skip) test_run[skipped]=$((test_run[skipped] + 1)) word='skipped' ;;
	esac
	printf '%s %s%s\n' "$word" "$name" "${*:+: $*}"
}

# Even a test run that breaks off ends on a verdict, and not on a good one.
broken_off() {
	result fail lab 'the test run broke off'
	verdict
}

verdict() {
	printf '%d passed, %d failed, %d skipped\n' "${test_run[passed]}" "${test_run[failed]}" "${test_run[skipped]}"
}
