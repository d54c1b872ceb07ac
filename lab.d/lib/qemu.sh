# shellcheck shell=bash
# QEMU's command line for a guest, from what guest[] says of it: see guest.sh.
use packages

# guest_accel KIND: guest[accel] becomes kvm or tcg, unless it is set. That /dev/kvm
# exists does not mean that a guest runs on it, so one is booted under a short limit;
# the answer stays true until the machine boots again or QEMU changes.
guest_accel() {
	local key answer

	[ -z "${guest[accel]}" ] || return 0
	if [ -n "${LAB_ACCEL-}" ]; then
		[ "$LAB_ACCEL" = tcg ] || [ -w /dev/kvm ] || refuse "LAB_ACCEL=kvm, and /dev/kvm cannot be opened"
		guest[accel]=$LAB_ACCEL
		return
	fi
	guest[accel]=tcg
	[ -w /dev/kvm ] || return 0
	key="$(cat /proc/sys/kernel/random/boot_id) $(qemu-system-x86_64 --version | head -n 1)"
	if [ "$(sed 1d "$build/accel" 2>/dev/null)" != "$key" ]; then
		say "trying KVM with a short boot"
		answer=tcg
		! kvm_works "$1" || answer=kvm
		say "KVM $([ $answer = kvm ] && echo works || echo 'does not work here: QEMU translates the code, which is slower')"
		printf '%s\n%s\n' "$answer" "$key" >"$build/accel"
	fi
	guest[accel]=$(head -n 1 "$build/accel")
}

kvm_works() {
	local -A guest

	guest_defaults
	guest[accel]=kvm guest[timeout]=5
	run_guest kvm-trial "$1" true
	[ "${guest[status]}" = 0 ]
}

# Sets clock to what the guest's kernel is told about its clock: see tsc.c. Its
# check of the interrupt timer fails on a busy host in the same way.
tsc_khz=
guest_clock() {
	clock=
	if [ -n "${guest[seed]}" ]; then
		# One instruction, one nanosecond, one tick of the counter.
		clock='tsc_early_khz=1000000 tsc=reliable no_timer_check norandmaps'
		return
	fi
	[ "${guest[accel]}" = tcg ] || return 0
	if [ ! "$build/tsc" -nt "$top/lab.d/lib/tsc.c" ]; then
		need "${selftest_tools[@]}"
		gcc -O2 -Wall -o "$build/tsc" "$top/lab.d/lib/tsc.c"
	fi
	tsc_khz=${tsc_khz:-$("$build/tsc")}
	clock="tsc_early_khz=$tsc_khz tsc=reliable no_timer_check"
}

# guest_command KIND DIR: sets qemu to the command line; DIR has the initrd.
guest_command() {
	local kind=$1 dir=$2 size node each cpus clock smp=${guest[smp]} n=0
	local nodes=${guest[nodes]} mem=${guest[mem]}

	guest_clock
	# A package that spans two nodes is nothing that the kernel believes in.
	((nodes == 1)) || smp+=",sockets=${guest[smp]}"
	qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -machine pc
		-m "${mem}M" -smp "$smp" -kernel "$(kernel_image "$kind")" -initrd "$dir/initrd"
		-append "console=ttyS0 loglevel=8 panic=-1 oops=panic $clock ${guest[append]}")
	if [ -n "${guest[seed]}" ]; then
		# The guest's clock counts instructions, and nothing comes from the
		# host: the same kernel and the same seed give the same run.
		qemu+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu max -seed "${guest[seed]}"
			-rtc 'base=2024-11-18T00:00:00,clock=vm')
	elif [ "${guest[accel]}" = kvm ]; then
		qemu+=(-accel kvm -cpu host)
	else
		qemu+=(-accel 'tcg,thread=multi' -cpu max)
	fi
	if ((nodes > 1)); then
		each=$((mem / nodes))
		cpus=$(((guest[smp] + nodes - 1) / nodes))
		for ((node = 0; node < nodes; node++)); do
			qemu+=(-object "memory-backend-ram,id=mem$node,size=$((node ? each : mem - each * (nodes - 1)))M")
			if ((node * cpus >= guest[smp])); then
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node")
			elif (((node + 1) * cpus <= guest[smp])); then
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node,cpus=$((node * cpus))-$(((node + 1) * cpus - 1))")
			else
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node,cpus=$((node * cpus))-$((guest[smp] - 1))")
			fi
		done
	fi
	for size in ${guest[swap]}; do
		n=$((n + 1))
		truncate -s "${size}M" "$dir/swap$n.img"
		qemu+=(-drive "if=virtio,format=raw,cache=unsafe,file=$dir/swap$n.img")
	done
	[ -z "${guest[plugin]}" ] || qemu+=(-plugin "${guest[plugin]}")
	# No guest outlives lab, not even after kill -9.
	qemu=(setpriv --pdeathsig KILL "${qemu[@]}")
}
