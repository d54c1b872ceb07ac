# shellcheck shell=bash
# Exact figures: oom_cost and oom_bench in guests whose clock counts instructions.
# Stock beside patched, and patched beside what is committed in lab.d/exact/.
# shellcheck source=lab.d/guest.sh
. "$top/lab.d/guest.sh"

# Each boot has a seed of its own, and the least figure counts: what a boot leaves
# in the allocator's lists and when the timer ticks adds to a figure, and never
# takes away.
exact_boots=3

# By how many per cent a figure may be above the committed one, and a path that
# has nothing to do with an OOM above stock's.
exact_limit=3
exact_limit_stock=1

# figure, kind, words. Of kind path: must not be above stock's. kill: may be above
# the committed one by the limit. part: is shown, its sum is judged.
exact_figures() {
	cat <<-'H'
		cost.fault path fault of a new 4 KiB page
		cost.munmap path munmap, a page
		cost.dontneed path MADV_DONTNEED, a page
		cost.huge_fault path fault of a huge page
		cost.huge_munmap path munmap of a huge page
		cost.huge_dontneed path MADV_DONTNEED of a huge page
		cost.cow path write to a page shared by fork
		cost.shared_fault path fault of a new shared page
		cost.file_read path read fault in a private mapping of a file
		cost.file_cow path write fault in a private mapping of a file
		cost.file_dontneed path MADV_DONTNEED of a page of a file
		cost.truncate path truncate of a mapped file, a page
		cost.fork path fork, exit and wait
		cost.thread path thread created, gone and joined
		cost.exit path SIGKILL to gone, 16 MB of 4 KiB pages
		cost.exit_64 path the same, 64 threads
		cost.exit_huge path SIGKILL to gone, 16 MB of huge pages
		cost.exit_huge_64 path the same, 64 threads
		cost.alloc_0 path alloc_pages and free, order 0
		cost.alloc_3 path alloc_pages and free, order 3
		cost.alloc_9 path alloc_pages and free, order 9
		cost.alloc_account path alloc_pages and free, order 0, accounted to the root
		cost.hold_0 path alloc_pages, order 0, of 1024
		cost.free_0 path free, order 0, of 1024
		cost.memcg_fault path fault of a new 4 KiB page in a memory cgroup
		cost.memcg_munmap path munmap in a memory cgroup, a page
		cost.memcg_account path alloc_pages and free, accounted to a memory cgroup
		natural.gone_ms kill OOM victim that can exit, 96 MB: gone, ms
		natural_threads.gone_ms kill the same, 64 threads
		natural_thp.gone_ms kill the same, huge pages
		natural_thp_threads.gone_ms kill the same, huge pages, 64 threads
		memcg_kill.gone_ms kill killed by its memory cgroup, 64 MB: fork to gone, ms
		dstate.back_ms kill victim sleeps in D state: memory back, ms
		mmap_lock.back_ms kill victim holds mmap_lock: memory back, ms
		burst.back_ms kill eight victims at once: all memory back, ms
		futex.back_ms kill victim holds a robust mutex: memory back, ms
		mrelease.call_ms kill process_mrelease(), mmap_lock held, ms
		hog_dstate.worst_stall_ms kill hog, victim in D state: longest page fault, ms
		hog_dstate.kill_stall_ms kill the same: page fault with the kill, ms
		hog_dstate.kill_to_page_ms kill the same: kill to its page, ms
		hog_dstate.bystanders_killed kill the same: bystanders killed
		hog_mmap_lock.worst_stall_ms kill hog, victim holds mmap_lock: longest page fault, ms
		hog_mmap_lock.kill_stall_ms kill the same: page fault with the kill, ms
		hog_mmap_lock.kill_to_page_ms kill the same: kill to its page, ms
		hog_mmap_lock.bystanders_killed kill the same: bystanders killed
		hog_parts.kill_stall_ms part hog, victim in D state, traced: page fault with the kill, ms
		hog_parts.reclaims part rounds of reclaim before the kill
		hog_parts.part_reclaim_ms part reclaim, ms
		hog_parts.part_report_ms part choice of the victim and report, ms
		hog_parts.part_handover_ms part kill to handover, ms
		hog_parts.part_start_ms part handover to the reaper's start, ms
		hog_parts.part_reap_ms part the reaper's first batches, until the hog runs, ms
		hog_parts.part_page_ms part running to page, ms
		hog_parts.kill_to_run_ms kill kill to the hog running, ms
		vma_locks.free_ns_per_page kill reaped under mmap_lock, a page
		vma_locks.held_ns_per_page kill reaped under the VMAs' locks, a page
	H
}

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

	guest_defaults
	# The host may be slow: the guest's own limits do not notice.
	g_smp=1 g_seed=$seed g_accel=tcg g_timeout=900
	command='cd /root/kselftest/oom_reaper || exit'
	while read -r name program; do
		command+=$'\n'"echo; echo EXACT $name; ./$program"
	done < <(exact_programs "$kind" "$what")
	run_guest "exact-$seed" "$kind" "$command"
	cp "$g_out" "$dir/$kind-$seed.out"
	cp "$g_console" "$dir/$kind-$seed.console"
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
	cleanups=()
	trap run_cleanups EXIT
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

# exact_least DIR KIND: "FIGURE LEAST SPREAD", the spread between the boots in per
# cent; "never" is more than any number.
exact_least() {
	awk '
		NR == FNR { wanted[$1] = 1; order[++n] = $1; next }
		$1 == "EXACT" { name = $2 }
		$1 == "RESULT" {
			for (i = 2; i <= NF; i++) {
				split($i, pair, "=")
				key = name "." pair[1]
				if (!(key in wanted) || pair[2] !~ /^-?[0-9.]+$/)
					continue
				value = pair[2] < 0 ? 1e12 : pair[2] + 0
				if (!(key in least) || value < least[key])
					least[key] = value
				if (!(key in most) || value > most[key])
					most[key] = value
			}
		}
		END {
			for (i = 1; i <= n; i++) {
				key = order[i]
				if (!(key in least))
					continue
				spread = least[key] > 0 && most[key] < 1e12 ? 100 * (most[key] / least[key] - 1) : 0
				printf "%s %s %.2f\n", key, (least[key] >= 1e12 ? "never" : least[key]), spread
			}
		}' OFMT=%.10g CONVFMT=%.10g <(exact_figures) "$1/$2"-*.out
}

# print_exact DIR
print_exact() {
	awk '
		FILENAME ~ /stock$/ { stock[$1] = $2; next }
		FILENAME ~ /patched$/ { patched[$1] = $2; spread[$1] = $3; next }
		function show(v) {
			if (v !~ /^[0-9.]+$/)
				return v == "" ? "-" : v
			return v >= 1000 ? sprintf("%.0f", v) : v >= 100 || v == int(v) ? sprintf("%.1f", v) : sprintf("%.3f", v)
		}
		{
			key = $1; kind = $2
			sub(/^[^ ]+ [^ ]+ /, "")
			ratio = "-"
			if (stock[key] > 0 && stock[key] ~ /^[0-9.]+$/ && patched[key] ~ /^[0-9.]+$/)
				ratio = sprintf("%.4f", patched[key] / stock[key])
			printf "%-58s %12s %12s %9s %8s\n", $0, show(stock[key]), show(patched[key]), ratio,
				spread[key] == "" ? "-" : spread[key] "%"
		}
		BEGIN { printf "%-58s %12s %12s %9s %8s\n", "instructions, or ms of a billion a second", "stock", "patched", "of stock", "spread" }
		' "$1/stock" "$1/patched" <(exact_figures)
}

# exact_committed DIR FILE: the figures as they are committed.
exact_committed() {
	printf '# Least of %d boots; written by lab bench --exact --update.\n' "$exact_boots"
	printf '# Linux %s\n' "$(base_version)"
	awk '
		FILENAME ~ /stock$/ { stock[$1] = $2; next }
		FILENAME ~ /patched$/ { patched[$1] = $2; next }
		FNR == 1 { printf "%-34s %14s %14s\n", "# figure", "stock", "patched" }
		{ printf "%-34s %14s %14s\n", $1, stock[$1] == "" ? "-" : stock[$1], patched[$1] == "" ? "-" : patched[$1] }
		' "$1/stock" "$1/patched" <(exact_figures)
}

# judge_exact DIR FILE: FILE has the committed figures; empty, if there are none for
# these tools.
judge_exact() {
	awk -v limit="$exact_limit" -v limit_stock="$exact_limit_stock" -v committed_file="$2" '
		function number(v) { return v == "never" ? 1e12 : v + 0 }
		function above(what, ours, theirs, allowed) {
			if (number(ours) <= number(theirs) * (1 + allowed / 100) + 1e-9)
				return
			more = "worse"
			if (number(ours) < 1e12 && number(theirs) > 0)
				more = sprintf("%.2f %% more, %s %% allowed", 100 * (ours / theirs - 1), allowed)
			printf "%s: %s, %s is %s: %s\n", key, ours, what, theirs, more
			bad = 1
		}
		FILENAME ~ /\/stock$/ { stock[$1] = $2; next }
		FILENAME ~ /\/patched$/ { patched[$1] = $2; next }
		committed_file != "" && FILENAME == committed_file { if ($1 !~ /^#/) committed[$1] = $3; next }
		{
			key = $1; kind = $2
			if (patched[key] == "") {
				printf "%s: no figure on patched\n", key
				bad = 1
				next
			}
			if (kind == "path") {
				if (stock[key] == "") {
					printf "%s: no figure on stock\n", key
					bad = 1
				} else
					above("stock", patched[key], stock[key], limit_stock)
			}
			if (kind != "part" && committed[key] != "" && committed[key] != "-")
				above("committed", patched[key], committed[key], limit)
			else if (kind != "part" && committed_file != "")
				printf "note: %s is not committed: lab bench --exact --update\n", key
		}
		END { exit bad }' "$1/stock" "$1/patched" ${2:+"$2"} <(exact_figures)
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

bench_exact() {
	local dir=$build/exact update=$1 file

	prepare_exact
	measure_exact "$dir" all
	print_exact "$dir" | tee "$build/exact.txt"
	say "the table again: $build/exact.txt"
	[ -n "$update" ] || return 0
	file=$top/lab.d/exact/$(exact_tools)
	mkdir -p "$top/lab.d/exact"
	exact_committed "$dir" >"$file"
	say "written: $file"
}

check_exact_figures() {
	local dir file committed bad=0

	# shellcheck disable=SC2119 # nothing but what every guest needs
	needs_guest
	need gcc:gcc
	dir=$build/exact-test
	file=$top/lab.d/exact/$(exact_tools)
	measure_exact "$dir" paths
	committed=$file
	if [ ! -e "$file" ]; then
		committed=
		echo "note: beside stock only, as no figures are committed for $(exact_tools)"
	elif ! grep -qx "# Linux $(base_version)" "$file"; then
		committed=
		echo "note: beside stock only, as the committed figures are not of $(base_version)"
	fi
	judge_exact "$dir" "$committed" || bad=1
	return $bad
}

# build_profiler: the plugin, for this QEMU. From 9 on it wants the second version
# of the interface, which is the same for what is used of it.
build_profiler() {
	local api=1

	[ "$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9]*\).*/\1/p')" -lt 9 ] || api=2
	gcc -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -DPLUGIN_API=$api -o "$build/profile.so" \
		"$top/lab.d/exact/profile.c" || die 'the profiler does not build'
}

# profile_exact NAME FUNCTION[:N] LENGTH MARKS
profile_exact() {
	local name=$1 from=$2 length=$3 mark=$4 skip=0 kind program out

	prepare_exact
	build_profiler
	[[ $from != *:* ]] || skip=${from#*:} from=${from%%:*}
	mkdir -p "$build/exact"
	for kind in stock patched; do
		program=$(exact_programs patched all | sed -n "s/^$name //p")
		out=$build/exact/profile-$name-$kind.txt
		guest_defaults
		g_smp=1 g_seed=1 g_accel=tcg g_timeout=900
		g_plugin="file=$build/profile.so,symbols=$(kernel_out "$kind")/System.map,from=$from,skip=$skip,length=$length,mark=$mark,out=$out"
		run_guest "profile-$name" "$kind" "cd /root/kselftest/oom_reaper && exec ./$program"
		guest_failure
		printf '%s, %s:\n' "$name" "$kind"
		sed '/^$/q' "$out"
	done
	say "all of it: $build/exact/profile-$name-{stock,patched}.txt"
}
