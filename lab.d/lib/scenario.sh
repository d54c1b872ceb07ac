# shellcheck shell=bash
# The scenarios of oom_bench, which lab demo and lab bench measure.
use guest

bench_source=$repo/tools/testing/selftests/oom_reaper/oom_bench.c
demo_scenarios='dstate mmap_lock hog_dstate hog_mmap_lock burst'
bench_scenarios="$demo_scenarios futex mrelease spinners \
natural natural_threads natural_thp natural_thp_threads \
natural_1cpu natural_1cpu_threads natural_1cpu_thp natural_1cpu_thp_threads vma_locks"

# What a scenario is, in words.
scenario_title() {
	case $1 in
	dstate) echo 'victim sleeps in D state' ;;
	mmap_lock) echo 'victim holds mmap_lock' ;;
	hog_dstate) echo 'hog needs the memory of a victim in D state' ;;
	hog_mmap_lock) echo 'hog needs the memory of a victim that holds mmap_lock' ;;
	burst) echo 'eight victims at once in D state' ;;
	futex) echo 'victim holds a robust mutex' ;;
	mrelease) echo 'process_mrelease() of a victim that holds mmap_lock' ;;
	spinners) echo 'SCHED_FIFO spinners on every CPU' ;;
	natural*)
		printf 'victim that can exit by itself, %s thread%s of %s pages, %s\n' \
			"$([[ $1 == *_threads ]] && echo '64' || echo 'one')" "$([[ $1 != *_threads ]] || echo s)" \
			"$([[ $1 == *_thp* ]] && echo 'huge' || echo '4 KiB')" \
			"$([[ $1 == *_1cpu* ]] && echo '1 CPU' || echo '2 CPUs')"
		;;
	vma_locks) echo '6 GB of 4 KiB pages, mmap_lock free or held' ;;
	*) echo "$1" ;;
	esac
}

known_scenario() {
	[[ $1 =~ ^[a-z0-9_]+$ ]] || return 1
	[[ " $bench_scenarios " == *" $1 "* ]] || grep -qs "\"$1\"" "$bench_source"
}

# What oom_bench calls it: a scenario's variants differ in options and guests.
scenario_program() {
	case $1 in
	natural*) echo natural ;;
	vma_locks) echo vma_big ;;
	*) echo "$1" ;;
	esac
}

# Sets options, those of oom_bench, and guest[] to what a scenario wants.
scenario_setup() {
	guest_defaults
	guest[timeout]=120
	options=()
	case $1 in
	natural*)
		[[ $1 != *_threads ]] || options+=(threads=64)
		[[ $1 != *_thp* ]] || options+=(thp=1)
		[[ $1 != *_1cpu* ]] || guest[smp]=1
		;;
	vma_locks)
		options+=(mb=6144)
		guest[mem]=8192
		guest[timeout]=300
		;;
	esac
}

# The figures of a scenario that are worth a line: key and words.
scenario_figures() {
	case $1 in
	hog_*)
		echo 'worst_stall_ms hog: worst page fault, ms'
		echo 'after_kill_ms of it after the kill, ms'
		echo 'bystanders_killed bystanders killed'
		;;
	burst)
		echo 'back_ms all their memory back, ms'
		echo 'reaped victims reaped'
		;;
	dstate | mmap_lock | spinners) echo 'back_ms memory back, ms' ;;
	natural*)
		echo 'back_ms memory back, ms'
		echo 'gone_ms victim gone, ms'
		;;
	vma_locks)
		echo 'free_ms reaped under mmap_lock, ms'
		echo "held_ms reaped under the VMAs' locks, ms"
		;;
	*)
		# Whatever else it measures, as it names it.
		cat "$2"/*-"$1"-*.out 2>/dev/null | grep -h '^RESULT' | tr ' ' '\n' |
			sed -n 's/^\([a-z_]*\)=[-0-9.]*$/\1 \1/p' | sort -u | grep -v -E '^(mb|victims|threads|thp|hold_ms|bystander_mb|sysrq_ms|kill_ms) '
		;;
	esac
}
