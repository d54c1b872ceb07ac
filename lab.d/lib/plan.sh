# shellcheck shell=bash
# Which tests there are, and which of them a call means. A plan has a line for each:
#   suite NAME [TEST] | debug NAME | check NAME
use suite checks build guest

list_tests() {
	local name test kind
	local -A suite

	for name in $(suite_names); do
		read_suite "$name"
		kind=--all
		[ "${suite[kind]}" != quick ] || kind=
		if [ -z "$(suite_tests)" ]; then
			printf '%-36s %s\n' "$name" "$kind"
			continue
		fi
		for test in $(suite_tests); do
			printf '%-36s %s\n' "$name.$test" "$kind"
		done
	done
	for name in $(check_names); do
		case ${check_kinds[$name]} in
		quick) kind= ;;
		all) kind=--all ;;
		named) kind='by name' ;;
		esac
		printf '%-36s %s\n' "$name" "$kind"
	done
}

# plan_named NAME: the plan for one name of the command line; empty, if there is no such test.
plan_named() {
	local name=$1 other
	local -A suite

	for other in $(check_names); do
		case $other in
		"$name") echo "check $other" ;;
		"$name".*) [ "${check_kinds[$other]}" = named ] || echo "check $other" ;;
		esac
	done
	for other in $(suite_names); do
		if [ "$name" = "$other" ]; then
			echo "suite $other"
		elif [[ $name == "$other".* ]]; then
			read_suite "$other"
			suite_tests | grep -xF "${name##*.}" >/dev/null && echo "suite $other ${name##*.}"
		fi
	done
}

# plan_tests quick|all|rest KERNEL. A kernel that was named runs suites only: the
# checks on the host are not about it.
plan_tests() {
	local which=$1 kernel=$2 name
	local -A suite

	if [ -z "$kernel" ]; then
		for name in $(check_names); do
			! in_plan "${check_kinds[$name]}" "$which" || echo "check $name"
		done
	fi
	for name in $(suite_names); do
		read_suite "$name"
		! in_plan "${suite[kind]}" "$which" || echo "suite $name"
	done
	[ "$which" != quick ] || return 0
	for name in $(suite_names); do
		read_suite "$name"
		[ "${suite[debug]}" = no ] || [ -n "$kernel" ] || echo "debug $name"
	done
	for name in $(suite_names); do
		read_suite "$name"
		[ "${suite[kind]}" != last ] || echo "suite $name"
	done
}

# in_plan KIND WHICH: whether lab test, lab test --all or lab test --rest has tests of KIND.
in_plan() {
	case $1 in
	quick) [ "$2" != rest ] ;;
	all) [ "$2" != quick ] ;;
	*) false ;;
	esac
}

# build_ahead KERNEL PLAN: what needs no kernel is checked while that is built.
build_ahead() {
	local minutes=1

	grep -q -e '^suite ' -e '^check source[.]' <<<"$2" || return 0
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
