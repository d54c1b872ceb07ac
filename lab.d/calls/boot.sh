# shellcheck shell=bash
use guest build

boot_help() {
	cat <<-'H'
		usage: lab boot [stock|patched|debug] [OPTION...] [-- COMMAND [ARGUMENT...]]

		Boots a kernel (patched unless told, built first if need be). With COMMAND, runs it
		in the guest and ends with its exit status, 124 if the guest had to be ended, 125 if
		the kernel panicked. Without: a shell on the guest's console, or, where stdin is no
		terminal, the commands on stdin. The selftests are in /root/kselftest.

		--mem MB         memory (1024)
		--cpus N         CPUs (2)
		--nodes N        NUMA nodes (1)
		--swap MB        a swap disk of that size; may be given several times
		--zram MB        compressed swap in memory
		--cgroup v1|v2   which cgroup file system is mounted (v2)
		--append ARGS    more of the kernel's command line
		--add FILE       a file or folder into the guest's /root; may be given several times
		--timeout S      the guest is ended after that many seconds (600)
	H
}

cmd_boot() {
	local kind='' command='' shell=''
	local -A guest

	guest_defaults
	guest[mem]=1024 guest[timeout]=600 guest[stress]=1
	while [ $# -gt 0 ]; do
		case $1 in
		--help) boot_help && return ;;
		--mem | --cpus | --nodes | --swap | --zram | --cgroup | --append | --add | --timeout)
			value_of "$1" $#
			boot_option "$1" "$2"
			shift
			;;
		--)
			shift
			[ $# -gt 0 ] || refuse "after -- a command is needed"
			command=${*@Q}
			break
			;;
		-*) refuse "lab boot knows no \"$1\"" ;;
		*)
			[ -z "$kind" ] || refuse "lab boot takes one kernel, not \"$kind\" and \"$1\"; a command comes after --"
			kind=$1
			;;
		esac
		shift
	done
	kind=${kind:-patched}
	is_kind "$kind"
	((guest[nodes] <= guest[mem] / 64)) || refuse "${guest[mem]} MB are too little for ${guest[nodes]} nodes"
	# shellcheck disable=SC2119
	needs_guest
	if [ -z "$command" ]; then
		if [ -t 0 ]; then shell=1; else command=$(cat)$'\n:'; fi
	fi
	build_kernel "$kind"
	make_initramfs say
	make_modules_archive "$kind"
	make_stress_archive
	if [ -n "$shell" ]; then
		run_guest_shell "$kind"
		return
	fi
	guest[stream]=1
	run_guest "boot-$$" "$kind" "$command"
	case ${guest[status]} in
	hang) say "$(guest_failure)" && exit 124 ;;
	crash | lost) say "$(guest_failure)" && exit 125 ;;
	esac
	rm -f "${guest[console]}" "${guest[out]}"
	exit "${guest[status]}"
}

# boot_option OPTION VALUE: into guest[].
boot_option() {
	case $1 in
	--mem) is_number "$2" "$1" 64 1048576 && guest[mem]=$2 ;;
	--cpus) is_number "$2" "$1" 1 255 && guest[smp]=$2 ;;
	--nodes) is_number "$2" "$1" 1 64 && guest[nodes]=$2 ;;
	--swap) is_number "$2" "$1" 1 1048576 && guest[swap]+=" $2" ;;
	--zram) is_number "$2" "$1" 1 1048576 && guest[zram]=$2 ;;
	--timeout) is_number "$2" "$1" 1 86400 && guest[timeout]=$2 ;;
	--append) guest[append]=$2 ;;
	--cgroup)
		[[ $2 == v[12] ]] || refuse "--cgroup is \"$2\": v1 and v2 are known"
		guest[cgroup]=$2
		;;
	--add)
		[ -e "$2" ] || refuse "--add $2: there is no such file"
		guest[add]+=$2$'\n'
		;;
	esac
}
