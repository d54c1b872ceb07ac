# shellcheck shell=bash
# lab test: suites in guests, checks on the host, one verdict.
use plan run-suite
load_checks

test_help() {
	cat <<-'H'
		usage: lab test [OPTION...] [NAME...]

		Builds what it needs, runs the tests and ends on "N passed, N failed, N skipped".
		Exit status 0 only if none failed. NAME is a suite (stuck), one of its tests
		(stuck.fork), a group of checks on the host (series) or one of them
		(series.roundtrip); without a name, all that fit into a quarter of an hour.

		--all                          also what takes longer: the debug kernel, every
		                               step of the series, the README's commands, the
		                               long suites
		--rest                         only what --all adds
		--kernel stock|patched|debug   the kernel to boot (patched)
		--seconds N                    how long a storm lasts (OOM_STORM_SECONDS)
		--minutes N                    start no test later than that; what is left out
		                               counts as skipped
		--list                         the names, what of it --all adds, and what
		                               runs only by its own name
		--verbose                      what the tests print, too
	H
}

cmd_test() {
	local which=quick kernel='' names=() name plan='' word rest minutes found

	while [ $# -gt 0 ]; do
		case $1 in
		--help) test_help && return ;;
		--all) which=all ;;
		--rest) which=rest ;;
		--list) list_tests && return ;;
		--verbose) test_run[verbose]=1 ;;
		--kernel)
			value_of "$1" $#
			is_kind "$2"
			kernel=$2
			shift
			;;
		--seconds)
			value_of "$1" $#
			is_number "$2" "$1" 1 604800
			test_run[seconds]=$2
			shift
			;;
		--minutes)
			value_of "$1" $#
			is_number "$2" "$1" 1 10080
			test_run[minutes]=$2
			shift
			;;
		-*) refuse "lab test knows no \"$1\"" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	for name in ${names[@]+"${names[@]}"}; do
		found=$(plan_named "$name")
		[ -n "$found" ] || refuse "no test \"$name\": lab test --list names them"
		plan+=$found$'\n'
	done
	if [ -z "$plan" ]; then
		plan=$(plan_tests "$which" "$kernel")
	fi
	plan=${plan%$'\n'}
	minutes=${test_run[minutes]}
	at_exit verdict broken_off
	build_ahead "${kernel:-patched}" "$plan"
	# The descriptor keeps the tests themselves from reading the plan.
	while read -r -u 3 word name rest; do
		if [ -n "$minutes" ] && ((SECONDS >= minutes * 60)); then
			result skip "$word $name" "no time left of $minutes minutes"
			continue
		fi
		case $word in
		suite) run_suite "$name" "${kernel:-patched}" "$rest" ;;
		debug) run_suite "$name" debug ;;
		check) run_check "$name" ;;
		esac
	done 3<<<"$plan"
	forget verdict
	verdict
	[ "${test_run[failed]}" -eq 0 ]
}
