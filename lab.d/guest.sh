# shellcheck shell=bash
# Runs a kernel in QEMU.
# shellcheck source=lab.d/initramfs.sh
. "$top/lab.d/initramfs.sh"

# What a guest is to be like; each caller sets what it wants otherwise.
guest_defaults() {
	g_mem=512 g_smp=2 g_nodes=1 g_swap='' g_zram='' g_append='' g_cgroup=v2
	g_stress='' g_add=() g_timeout=60 g_stream='' g_accel='' g_seed='' g_plugin=''
}

tsc_khz=
guest_tools=(qemu-system-x86_64:qemu-system-x86 setpriv:util-linux)
# All that building and booting takes, and what is given: apt is asked once, not six times.
needs_guest() {
	need "${source_tools[@]}" "${kernel_tools[@]}" "${selftest_tools[@]}" "${archive_tools[@]}" "${guest_tools[@]}" \
		git:git patch:patch "$@"
}

# guest_accel KIND: kvm or tcg. That /dev/kvm exists does not mean that a guest
# runs on it, so one is booted under a short limit; the answer stays true
# until the machine boots again or QEMU changes.
guest_accel() {
	local key answer

	if [ -n "${LAB_ACCEL-}" ]; then
		[ "$LAB_ACCEL" = tcg ] || [ -w /dev/kvm ] || refuse "LAB_ACCEL=kvm, and /dev/kvm cannot be opened"
		accel=$LAB_ACCEL
		return
	fi
	accel=tcg
	[ -w /dev/kvm ] || return 0
	key="$(cat /proc/sys/kernel/random/boot_id) $(qemu-system-x86_64 --version | head -n 1)"
	if [ "$(sed 1d "$build/accel" 2>/dev/null)" != "$key" ]; then
		say "trying KVM with a short boot"
		guest_save=$(declare -p g_mem g_smp g_nodes g_swap g_zram g_append g_cgroup g_stress g_add g_timeout g_stream | sed 's/^declare/declare -g/')
		guest_defaults
		g_accel=kvm g_timeout=5
		run_guest kvm-trial "$1" true
		answer=tcg
		[ "$g_status" != 0 ] || answer=kvm
		eval "$guest_save"
		g_accel=''
		say "KVM $([ $answer = kvm ] && echo works || echo 'does not work here: QEMU translates the code, which is slower')"
		printf '%s\n%s\n' "$answer" "$key" >"$build/accel"
	fi
	accel=$(head -n 1 "$build/accel")
}

# Sets clock to what the guest's kernel is told about its clock: see tsc.c. Its
# check of the interrupt timer fails on a busy host in the same way.
guest_clock() {
	clock=
	if [ -n "$g_seed" ]; then
		# One instruction, one nanosecond, one tick of the counter.
		clock='tsc_early_khz=1000000 tsc=reliable no_timer_check norandmaps'
		return
	fi
	[ "${g_accel:-$accel}" = tcg ] || return 0
	if [ ! "$build/tsc" -nt "$top/lab.d/tsc.c" ]; then
		need "${selftest_tools[@]}"
		gcc -O2 -Wall -o "$build/tsc" "$top/lab.d/tsc.c"
	fi
	tsc_khz=${tsc_khz:-$("$build/tsc")}
	clock="tsc_early_khz=$tsc_khz tsc=reliable no_timer_check"
}

# The archive of this run alone: the command, its surroundings, added files.
pack_run() {
	local dir=$1 command=$2 file

	mkdir -p "$dir/root/lab" "$dir/root/root"
	printf '%s\n' "$command" >"$dir/root/lab/cmd"
	printf '%s=%q\n' lab_cgroup "$g_cgroup" lab_swap "$g_swap" lab_zram "$g_zram" \
		lab_shell "$([ -n "$command" ] || echo 1)" >"$dir/root/lab/env"
	for file in ${g_add[@]+"${g_add[@]}"}; do
		cp -r "$file" "$dir/root/root/"
		[ ! -f "$file" ] || copy_with_libraries "$dir/root" "$file"
	done
	pack "$dir/root" "$dir/run.cpio"
	cat "$guest/base.cpio" ${g_stress:+"$guest/stress.cpio"} "$guest/modules-$kind.cpio" \
		"$dir/run.cpio" >"$dir/initrd"
}

# Sets qemu to the command line.
guest_command() {
	local kind=$1 dir=$2 size node each cpus clock smp=$g_smp n=0

	guest_clock
	# A package that spans two nodes is nothing that the kernel believes in.
	((g_nodes == 1)) || smp+=",sockets=$g_smp"
	qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -machine pc
		-m "${g_mem}M" -smp "$smp" -kernel "$(kernel_image "$kind")" -initrd "$dir/initrd"
		-append "console=ttyS0 loglevel=8 panic=-1 oops=panic $clock $g_append")
	if [ -n "$g_seed" ]; then
		# The guest's clock counts instructions, and nothing comes from the
		# host: the same kernel and the same seed give the same run.
		qemu+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu max -seed "$g_seed"
			-rtc 'base=2024-11-18T00:00:00,clock=vm')
	elif [ "${g_accel:-$accel}" = kvm ]; then
		qemu+=(-accel kvm -cpu host)
	else
		qemu+=(-accel 'tcg,thread=multi' -cpu max)
	fi
	if ((g_nodes > 1)); then
		each=$((g_mem / g_nodes))
		cpus=$(((g_smp + g_nodes - 1) / g_nodes))
		for ((node = 0; node < g_nodes; node++)); do
			qemu+=(-object "memory-backend-ram,id=mem$node,size=$((node ? each : g_mem - each * (g_nodes - 1)))M")
			if ((node * cpus >= g_smp)); then
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node")
			elif (((node + 1) * cpus <= g_smp)); then
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node,cpus=$((node * cpus))-$(((node + 1) * cpus - 1))")
			else
				qemu+=(-numa "node,nodeid=$node,memdev=mem$node,cpus=$((node * cpus))-$((g_smp - 1))")
			fi
		done
	fi
	for size in $g_swap; do
		n=$((n + 1))
		truncate -s "${size}M" "$dir/swap$n.img"
		qemu+=(-drive "if=virtio,format=raw,cache=unsafe,file=$dir/swap$n.img")
	done
	[ -z "$g_plugin" ] || qemu+=(-plugin "$g_plugin")
	# No guest outlives lab, not even after kill -9.
	qemu=(setpriv --pdeathsig KILL "${qemu[@]}")
}

# A pause without a process; $idle is a FIFO that nobody writes to.
pause() { read -rt "$1" -u "$idle" _ || :; }

# What the guest was doing when it hung, into its console log: the break
# character and a letter on the serial line are SysRq.
dump_guest() {
	local keys=$1 console=$2 letter size waited

	for letter in 8 l w t; do
		printf '\001b%s' "$letter" >&"$keys"
		# Over a serial line a long list takes its time.
		for ((waited = 0; waited < 20; waited++)); do
			size=$(stat -c %s "$console")
			pause 0.5
			[ "$size" != "$(stat -c %s "$console")" ] || break
		done
	done
}

end_guest() {
	kill -KILL "$1" 2>/dev/null || :
}

# run_guest NAME KIND COMMAND boots KIND and runs COMMAND (a shell script) in
# it. It sets g_status (the command's, or hang, crash, lost), g_out (the file
# with what the command printed) and g_console (the one with the kernel's log).
run_guest() {
	local name=$1 kind=$2 command=$3 dir pid keys idle deadline out reader='' letter

	need "${guest_tools[@]}"
	[ -n "$g_accel" ] || guest_accel "$kind"
	g_console=$log/$name-$kind.console g_out=$log/$name-$kind.out
	scratch_dir dir run
	pack_run "$dir" "$command"
	guest_command "$kind" "$dir"
	mkfifo "$dir/keys" "$dir/idle"
	exec {keys}<>"$dir/keys" {idle}<>"$dir/idle"
	: >"$dir/console"
	: >"$dir/out"
	out=$dir/out
	if [ -n "$g_stream" ]; then
		out=$dir/stream
		mkfifo "$out"
		sed -u -e 's/\r$//' "$out" | tee "$dir/out" |
			sed -u -e '/\x1elab-exit /{s/\x1elab-exit .*//;/^$/d}' {keys}>&- {idle}>&- &
		reader=$!
	fi
	"${qemu[@]}" -serial mon:stdio -serial "file:$out" \
		<"$dir/keys" >"$dir/console" 2>"$dir/qemu.err" {keys}>&- {idle}>&- &
	pid=$!
	at_exit "end_guest $pid"
	deadline=$((SECONDS + g_timeout))
	g_status=
	while kill -0 "$pid" 2>/dev/null; do
		if ((SECONDS >= deadline)); then
			g_status=hang
			# A trial boot that fails is no news.
			[ "$name" = kvm-trial ] || dump_guest "$keys" "$dir/console"
			end_guest "$pid"
		fi
		pause 0.1
	done
	wait "$pid" 2>/dev/null || :
	[ -z "$reader" ] || wait "$reader" || :
	exec {keys}>&- {idle}>&-
	if [ ! -s "$dir/console" ] && [ -s "$dir/qemu.err" ] && [ -z "$g_status" ] && [ "$name" != kvm-trial ]; then
		die "QEMU does not start: $(head -n 1 "$dir/qemu.err")"
	fi
	if [ -z "$g_status" ]; then
		g_status=$(grep -a -o $'\036lab-exit [0-9]*' "$dir/out" | tail -n 1 | cut -d' ' -f2) || :
		if grep -a -q 'Kernel panic' "$dir/console"; then
			g_status=crash
		fi
		g_status=${g_status:-lost}
	fi
	tr -d '\r' <"$dir/console" >"$g_console"
	sed -e 's/\r$//' -e '/\x1elab-exit /{s/\x1elab-exit .*//;/^$/d}' "$dir/out" >"$g_out"
	rm -rf "$dir"
	cleanups=("${cleanups[@]:0:${#cleanups[@]}-2}")
}

# The shell of lab boot: this terminal is the guest's console.
run_guest_shell() {
	local kind=$1 dir

	need "${guest_tools[@]}"
	guest_accel "$kind"
	scratch_dir dir run
	pack_run "$dir" ''
	guest_command "$kind" "$dir"
	say "exit or Ctrl-D in the guest powers it off; Ctrl-A X ends QEMU"
	"${qemu[@]}" -serial mon:stdio -serial null
}

# guest_failure: one line for a guest that did not end by itself.
guest_failure() {
	case $g_status in
	hang) printf 'the guest hung and was ended after %s s; where it hangs: %s\n' "$g_timeout" "$g_console" ;;
	crash) printf 'the kernel panicked: %s; console: %s\n' \
		"$(grep -a -m1 -o 'Kernel panic.*' "$g_console")" "$g_console" ;;
	lost) printf 'the guest ended without a word; console: %s\n' "$g_console" ;;
	esac
}
