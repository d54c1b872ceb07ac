# shellcheck shell=bash
# lab test: scenarios in guests, checks on the host, one verdict.
# shellcheck source=lab.d/guest.sh
. "$top/lab.d/guest.sh"
# shellcheck source=lab.d/scenario.sh
. "$top/lab.d/scenario.sh"
# shellcheck source=lab.d/checks.sh
. "$top/lab.d/checks.sh"

test_help() {
	cat <<-'H'
		usage: lab test [OPTION...] [NAME...]

		Builds what it needs, runs the tests and ends on "N passed, N failed, N skipped".
		Exit status 0 only if none failed. NAME is a scenario (stuck), one of its tests
		(stuck.fork), a group of checks on the host (series) or one of them
		(series.roundtrip); without a name, all that fit into a quarter of an hour.

		--all                          also what takes longer: the debug kernel, every
		                               step of the series, the README's commands, the
		                               long scenarios
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

passed=0 failed=0 skipped=0
test_seconds='' test_minutes='' verbose=''

# result pass|fail|skip NAME [DETAIL]: counted and shown.
result() {
	local kind=$1 name=$2

	shift 2
	case $kind in
	pass) passed=$((passed + 1)) && printf 'ok      %s%s\n' "$name" "${*:+: $*}" ;;
	fail) failed=$((failed + 1)) && printf 'FAILED  %s%s\n' "$name" "${*:+: $*}" ;;
	skip) skipped=$((skipped + 1)) && printf 'skipped %s%s\n' "$name" "${*:+: $*}" ;;
	esac
}

# Even a test run that breaks off ends on a verdict, and not on a good one.
broken_off() {
	[ -n "$verdict_due" ] || return 0
	result fail lab 'the test run broke off'
	verdict
}

verdict() {
	verdict_due=
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
}

list_tests() {
	local name test

	for name in $(scenario_names); do
		scenario "$name"
		if [ -z "$(scenario_tests)" ]; then
			printf '%-36s %s\n' "$name" "$([ "$s_kind" = quick ] || echo '--all')"
			continue
		fi
		for test in $(scenario_tests); do
			printf '%-36s %s\n' "$name.$test" "$([ "$s_kind" = quick ] || echo '--all')"
		done
	done
	for name in $(check_names); do
		printf '%-36s %s\n' "$name" "$(check_kind "$name" | sed 's/quick//;s/all/--all/;s/named/by name/')"
	done
}

# known NAME: sets found to "scenario NAME [TEST]" or "check NAME".
known() {
	local name=$1 other

	found=
	for other in $(check_names); do
		case $other in
		"$name") found+="check $other"$'\n' ;;
		"$name".*) [ "$(check_kind "$other")" = named ] || found+="check $other"$'\n' ;;
		esac
	done
	for other in $(scenario_names); do
		if [ "$name" = "$other" ]; then
			found+="scenario $other"$'\n'
		elif [[ $name == "$other".* ]]; then
			scenario "$other"
			scenario_tests | grep -xF "${name##*.}" >/dev/null && found+="scenario $other ${name##*.}"$'\n'
		fi
	done
	[ -n "$found" ]
}

cmd_test() {
	local which=quick kernel='' names=() name plan='' word rest

	while [ $# -gt 0 ]; do
		case $1 in
		--help) test_help && return ;;
		--all) which=all ;;
		--rest) which=rest ;;
		--list) list_tests && return ;;
		--verbose) verbose=1 ;;
		--kernel)
			value_of "$1" $#
			is_kind "$2"
			kernel=$2
			shift
			;;
		--seconds)
			value_of "$1" $#
			is_number "$2" "$1" 1 604800
			test_seconds=$2
			shift
			;;
		--minutes)
			value_of "$1" $#
			is_number "$2" "$1" 1 10080
			test_minutes=$2
			shift
			;;
		-*) refuse "lab test knows no \"$1\"" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	for name in ${names[@]+"${names[@]}"}; do
		known "$name" || refuse "no test \"$name\": lab test --list names them"
		plan+=$found
	done
	if [ -z "$plan" ]; then
		plan=$(plan_tests "$which" "$kernel")
	fi
	verdict_due=1
	at_exit broken_off
	build_ahead "${kernel:-patched}" "$plan"
	# The descriptor keeps the tests themselves from reading the plan.
	while read -r -u 3 word name rest; do
		if [ -n "$test_minutes" ] && ((SECONDS >= test_minutes * 60)); then
			result skip "$word $name" "no time left of $test_minutes minutes"
			continue
		fi
		case $word in
		scenario) run_scenario "$name" "${kernel:-patched}" "$rest" ;;
		debug) run_scenario "$name" debug ;;
		check) run_check "$name" ;;
		esac
	done 3<<<"$plan"
	verdict
	[ "$failed" -eq 0 ]
}

# build_ahead KERNEL PLAN: what needs no kernel is checked while that is built.
build_ahead() {
	local minutes=1

	grep -q -e '^scenario ' -e '^check source[.]' <<<"$2" || return 0
	if [ "$(wc -l <<<"$2")" -lt 20 ]; then
		# shellcheck disable=SC2119
		needs_guest
	else
		# The tests ask for these themselves, but one by one.
		needs_guest shellcheck:shellcheck python3:python3 sparse:sparse stress-ng:stress-ng \
			/usr/lib/python3/dist-packages/ply:python3-ply /usr/lib/python3/dist-packages/git:python3-git
		minutes=8
	fi
	foretell $minutes "$1"
	fetch_base
	progress_plain=1
	start_build "$1"
	progress_plain=''
}

# plan_tests quick|all|rest KERNEL. A kernel that was named runs scenarios only:
# the checks on the host are not about it.
plan_tests() {
	local which=$1 kernel=$2 name

	if [ -z "$kernel" ]; then
		for name in $(check_names); do
			case $(check_kind "$name") in
			quick) [ "$which" = rest ] || echo "check $name" ;;
			all) [ "$which" = quick ] || echo "check $name" ;;
			esac
		done
	fi
	for name in $(scenario_names); do
		scenario "$name"
		case $s_kind in
		quick) [ "$which" = rest ] || echo "scenario $name" ;;
		all) [ "$which" = quick ] || echo "scenario $name" ;;
		esac
	done
	if [ -z "$kernel" ] && [ "$which" != quick ]; then
		for name in $(scenario_names); do
			scenario "$name"
			[ "$s_debug" = no ] || echo "debug $name"
		done
	fi
	[ "$which" != quick ] || return 0
	for name in $(scenario_names); do
		scenario "$name"
		[ "$s_kind" != last ] || echo "scenario $name"
	done
}
