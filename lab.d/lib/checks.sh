# shellcheck shell=bash
# The checks that need no guest. Each file of lab.d/checks/ declares what it has:
#   check GROUP.NAME KIND [KERNEL...]
# and the function check_GROUP_NAME prints what is wrong and returns 1, or returns 4
# after printing why it cannot run. KIND is quick, all (with --all and --rest only) or
# named: it takes a quarter of an hour, and runs only when asked for by its own name.
# The kernels are built before it runs, for those that look at one.
use fetch series verdict run-suite

declare -gA check_kinds=() check_kernels=()
checks=()

check() {
	checks+=("$1")
	check_kinds[$1]=$2
	check_kernels[$1]=${*:3}
}

load_checks() {
	local file

	for file in "$top"/lab.d/checks/*.sh; do
		# shellcheck source=/dev/null
		. "$file"
	done
}

# Those that wait for a kernel come last: it may still be building.
check_names() {
	local name

	for name in "${checks[@]}"; do [ -n "${check_kernels[$name]}" ] || printf '%s\n' "$name"; done
	for name in "${checks[@]}"; do [ -z "${check_kernels[$name]}" ] || printf '%s\n' "$name"; done
}

run_check() {
	local name=$1 kernel out status=0 start=$SECONDS

	say "$name"
	fetch_base
	for kernel in ${check_kernels[$name]}; do prepare_kernel "$kernel"; done
	out=$log/check-$name.out
	# A subshell: what it undoes at its end is its own, and so is its death.
	(
		own_cleanups
		builds=()
		"check_${name/./_}"
	) >"$out" 2>&1 || status=$?
	case $status in
	0) result pass "$name" "$(sed -n 's/^note: //p' "$out" | tail -n 1)" ;;
	4) result skip "$name" "$(tail -n 1 "$out")" ;;
	*)
		result fail "$name" "$(grep -c '' "$out") lines, see $out"
		head -n 25 "$out" | sed 's/^/        /'
		;;
	esac
	((SECONDS - start < 5)) || say "$name: $((SECONDS - start)) s"
}

needs_series() {
	[ -n "$(series_list)" ] && return
	echo 'the series is empty'
	exit 4
}

# A check's own folder, $work.
scratch() {
	need git:git patch:patch
	scratch_dir work check
}
