# shellcheck shell=bash
# Runs a kernel in QEMU. What the guest is to be like, and what came of it, is in an
# array that its caller has: "local -A guest; guest_defaults", and then otherwise
# what is wanted otherwise.
#   mem smp nodes   MB, CPUs, NUMA nodes
#   swap zram       sizes of swap disks in MB, blanks between them; of swap in memory
#   cgroup          the version that is mounted: v1, v2
#   append          kernel arguments
#   add             files and folders that go to /root, a line each
#   stress          not empty: with stress-ng
#   timeout         seconds, after which the guest has hung
#   stream          not empty: what the command prints is printed at once
#   accel           kvm, tcg; empty: what works here
#   seed            not empty: the clock counts instructions, nothing is random
#   plugin          one of QEMU's, with its options
# What came of it:
#   status          the command's exit status, or hang, crash, lost
#   out console     files: what the command printed, the kernel's log
use initramfs qemu

guest_defaults() {
	guest=([mem]=512 [smp]=2 [nodes]=1 [swap]='' [zram]='' [cgroup]=v2 [append]='' [add]='' [stress]=''
		[timeout]=60 [stream]='' [accel]='' [seed]='' [plugin]='')
}

guest_tools=(qemu-system-x86_64:qemu-system-x86 setpriv:util-linux)
# All that building and booting takes, and what is given: apt is asked once, not six times.
needs_guest() {
	need "${source_tools[@]}" "${kernel_tools[@]}" "${selftest_tools[@]}" "${archive_tools[@]}" "${guest_tools[@]}" \
		git:git patch:patch "$@"
}

# pack_run DIR KIND COMMAND: DIR/initrd, with the archive of this run alone: the
# command, its surroundings, added files.
pack_run() {
	local dir=$1 kind=$2 command=$3 file

	mkdir -p "$dir/root/lab" "$dir/root/root"
	printf '%s\n' "$command" >"$dir/root/lab/cmd"
	printf '%s=%q\n' lab_cgroup "${guest[cgroup]}" lab_swap "${guest[swap]}" lab_zram "${guest[zram]}" \
		lab_shell "$([ -n "$command" ] || echo 1)" >"$dir/root/lab/env"
	while read -r file; do
		[ -n "$file" ] || continue
		cp -r "$file" "$dir/root/root/"
		[ ! -f "$file" ] || copy_with_libraries "$dir/root" "$file"
	done <<<"${guest[add]}"
	pack "$dir/root" "$dir/run.cpio"
	cat "$guest_files/base.cpio" ${guest[stress]:+"$guest_files/stress.cpio"} "$guest_files/modules-$kind.cpio" \
		"$dir/run.cpio" >"$dir/initrd"
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

# run_guest NAME KIND COMMAND boots KIND and runs COMMAND (a shell script) in it.
run_guest() {
	local name=$1 kind=$2 command=$3 dir pid keys idle deadline out reader='' qemu

	need "${guest_tools[@]}"
	guest_accel "$kind"
	guest[console]=$log/$name-$kind.console guest[out]=$log/$name-$kind.out guest[status]=
	scratch_dir dir run
	pack_run "$dir" "$kind" "$command"
	guest_command "$kind" "$dir"
	mkfifo "$dir/keys" "$dir/idle"
	exec {keys}<>"$dir/keys" {idle}<>"$dir/idle"
	: >"$dir/console"
	: >"$dir/out"
	out=$dir/out
	if [ -n "${guest[stream]}" ]; then
		out=$dir/stream
		mkfifo "$out"
		sed -u -e 's/\r$//' "$out" | tee "$dir/out" |
			sed -u -e '/\x1elab-exit /{s/\x1elab-exit .*//;/^$/d}' {keys}>&- {idle}>&- &
		reader=$!
	fi
	"${qemu[@]}" -serial mon:stdio -serial "file:$out" \
		<"$dir/keys" >"$dir/console" 2>"$dir/qemu.err" {keys}>&- {idle}>&- &
	pid=$!
	at_exit "guest $pid" "end_guest $pid"
	deadline=$((SECONDS + guest[timeout]))
	while kill -0 "$pid" 2>/dev/null; do
		if ((SECONDS >= deadline)); then
			guest[status]=hang
			# A trial boot that fails is no news.
			[ "$name" = kvm-trial ] || dump_guest "$keys" "$dir/console"
			end_guest "$pid"
		fi
		pause 0.1
	done
	wait "$pid" 2>/dev/null || :
	[ -z "$reader" ] || wait "$reader" || :
	exec {keys}>&- {idle}>&-
	if [ ! -s "$dir/console" ] && [ -s "$dir/qemu.err" ] && [ -z "${guest[status]}" ] && [ "$name" != kvm-trial ]; then
		die "QEMU does not start: $(head -n 1 "$dir/qemu.err")"
	fi
	if [ -z "${guest[status]}" ]; then
		guest[status]=$(grep -a -o $'\036lab-exit [0-9]*' "$dir/out" | tail -n 1 | cut -d' ' -f2) || :
		if grep -a -q 'Kernel panic' "$dir/console"; then
			guest[status]=crash
		fi
		guest[status]=${guest[status]:-lost}
	fi
	tr -d '\r' <"$dir/console" >"${guest[console]}"
	sed -e 's/\r$//' -e '/\x1elab-exit /{s/\x1elab-exit .*//;/^$/d}' "$dir/out" >"${guest[out]}"
	undo "guest $pid"
	undo "$dir"
}

# The shell of lab boot: this terminal is the guest's console.
run_guest_shell() {
	local kind=$1 dir qemu

	need "${guest_tools[@]}"
	guest_accel "$kind"
	scratch_dir dir run
	pack_run "$dir" "$kind" ''
	guest_command "$kind" "$dir"
	say "exit or Ctrl-D in the guest powers it off; Ctrl-A X ends QEMU"
	"${qemu[@]}" -serial mon:stdio -serial null
}

# guest_failure: one line for a guest that did not end by itself.
guest_failure() {
	case ${guest[status]} in
	hang) printf 'the guest hung and was ended after %s s; where it hangs: %s\n' "${guest[timeout]}" "${guest[console]}" ;;
	crash) printf 'the kernel panicked: %s; console: %s\n' \
		"$(grep -a -m1 -o 'Kernel panic.*' "${guest[console]}")" "${guest[console]}" ;;
	lost) printf 'the guest ended without a word; console: %s\n' "${guest[console]}" ;;
	esac
}
