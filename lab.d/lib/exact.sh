# shellcheck shell=bash
# Exact figures: oom_cost and oom_bench in guests whose clock counts instructions, on
# the stock and the patched kernel.
use guest build exact-table

# Each boot has a seed of its own, and the least figure counts: what a boot leaves
# in the allocator's lists and when the timer ticks adds to a figure, and never
# takes away.
exact_boots=3

exact_figures() { grep -v '^#' "$top/lab.d/exact/figures"; }

# What a guest runs: name, program and options. Stock is too slow at the kills, or
# cannot do them, to be made to when only its paths are wanted.
exact_programs() {
	cat <<-'H'
		cost oom_cost
		natural oom_bench natural samples=0
		natural_threads oom_bench natural samples=0 threads=64
		natural_thp oom_bench natural samples=0 thp=1
		natural_thp_threads oom_bench natural samples=0 thp=1 threads=64
		memcg_kill oom_bench memcg_kill samples=0 mb=64
	H
	[ "$1$2" != stockpaths ] || return 0
	cat <<-'H'
		dstate oom_bench dstate samples=0
		mmap_lock oom_bench mmap_lock samples=0
		burst oom_bench burst samples=0
		futex oom_bench futex samples=0
		mrelease oom_bench mrelease samples=0
		hog_dstate oom_bench hog_dstate samples=0
		hog_mmap_lock oom_bench hog_mmap_lock samples=0
	H
	[ "$1" != stock ] || return 0
	cat <<-'H'
		hog_parts oom_bench hog_dstate samples=0 parts=1
		vma_locks oom_bench vma_big samples=0 mb=256
	H
}

# What the figures depend on besides the kernel's source: they are committed for
# each, as a file of that name.
exact_tools() {
	printf 'gcc-%s_qemu-%s\n' "$(gcc -dumpfullversion)" \
		"$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p')"
}

# exact_boot DIR KIND WHAT SEED
exact_boot() {
	local dir=$1 kind=$2 what=$3 seed=$4 name program command
	local -A guest

	guest_defaults
	# The host may be slow: the guest's own limits do not notice.
	guest[smp]=1 guest[seed]=$seed guest[accel]=tcg guest[timeout]=900
	command='cd /root/kselftest/oom_reaper || exit'
	while read -r name program; do
		command+=$'\n'"echo; echo EXACT $name; ./$program"
	done < <(exact_programs "$kind" "$what")
	run_guest "exact-$seed" "$kind" "$command"
	cp "${guest[out]}" "$dir/$kind-$seed.out"
	cp "${guest[console]}" "$dir/$kind-$seed.console"
	guest_failure
}

# exact_boots_of DIR KIND WHAT: each boot, one after the other.
exact_boots_of() {
	local seed

	for ((seed = 1; seed <= exact_boots; seed++)); do
		progress "exact figures of $2: boot $seed of $exact_boots"
		exact_boot "$1" "$2" "$3" "$seed"
	done
}

# The same in a shell of its own, which undoes what is its own.
exact_apart() {
	own_cleanups
	exact_boots_of "$@"
}

# measure_exact DIR paths|all: both kernels, side by side as a guest uses one CPU.
measure_exact() {
	local dir=$1 pid start=$SECONDS

	rm -rf "$dir"
	mkdir -p "$dir"
	exact_apart "$dir" stock "$2" &
	pid=$!
	exact_boots_of "$dir" patched all
	wait "$pid" || :
	progress_end
	say "measured in $(elapsed $((SECONDS - start)))"
	exact_least "$dir" stock >"$dir/stock"
	exact_least "$dir" patched >"$dir/patched"
}

prepare_exact() {
	local kind

	# shellcheck disable=SC2119 # nothing but what every guest needs
	needs_guest
	need gcc:gcc
	make_initramfs die
	for kind in stock patched; do
		build_kernel "$kind"
		make_modules_archive "$kind"
	done
}
