# shellcheck shell=bash
# Measurements: oom_bench on stock and patched kernels in turn, tables, plots.
# shellcheck source=lab.d/guest.sh
. "$top/lab.d/guest.sh"

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

# Options and guest of a scenario; what is given on the command line comes last.
scenario_setup() {
	guest_defaults
	g_timeout=120
	options=()
	case $1 in
	natural*)
		[[ $1 != *_threads ]] || options+=(threads=64)
		[[ $1 != *_thp* ]] || options+=(thp=1)
		[[ $1 != *_1cpu* ]] || g_smp=1
		;;
	vma_locks)
		options+=(mb=6144)
		g_mem=8192
		g_timeout=300
		;;
	esac
	options+=("${bench_arguments[@]}")
}

# measure DIR RUNS SCENARIO... runs each scenario RUNS times on each kernel, stock and
# patched by turns so that a change of the machine's mood hits both alike.
# Extra arguments of oom_bench are taken from bench_arguments.
bench_arguments=()
measure() {
	local dir=$1 runs=$2 kind name run n=0 all start=$SECONDS out program options

	shift 2
	needs_guest gnuplot:gnuplot-nox
	# A guest takes some eight seconds.
	foretell $(($# * runs / 4 + 1)) stock patched
	build_kernels stock patched
	for kind in stock patched; do make_modules_archive "$kind"; done
	make_initramfs die
	[ -x "$selftests/oom_reaper/oom_bench" ] || die "there is no oom_bench among the selftests"
	rm -rf "$dir"
	mkdir -p "$dir"
	all=$(($# * runs * 2))
	for ((run = 1; run <= runs; run++)); do
		for name; do
			program=$(scenario_program "$name")
			for kind in stock patched; do
				n=$((n + 1))
				progress "measuring $n of $all: $name on $kind, $(elapsed $((SECONDS - start)))"
				scenario_setup "$name"
				run_guest "measure-$name" "$kind" \
					"cd /root/kselftest/oom_reaper && exec ./oom_bench $program ${options[*]@Q}"
				out=$dir/$kind-$name-$run.out
				cp "$g_out" "$out"
				if ! grep -q "^RESULT scenario=$program " "$out"; then
					progress_end
					say "$name on $kind gave no result: $({ guest_failure && grep -m1 -E '^(Bail out|#|1\.\.0|not ok)|oom_bench' "$out"; } | head -n 1)"
				fi
			done
		done
	done
	progress_end
	say "measured in $(elapsed $((SECONDS - start)))"
}

# results DIR SCENARIO KEY: "STOCK PATCHED RATIO LOW HIGH LOW HIGH", medians, and the
# least and greatest of each. oom_bench's -1 says "not within the limit".
results() {
	local kind file

	for kind in stock patched; do
		for file in "$1/$kind-$2"-*.out; do
			sed -n -E "s/^RESULT scenario=[a-z_]+ (.* )?$3=([-0-9.]+).*/$kind \2/p" "$file"
		done
	done | awk '
		{ v = $2 < 0 ? 1e12 : $2; value[$1, ++n[$1]] = v }
		function sort(k,   i, j, t) {
			for (i = 2; i <= n[k]; i++)
				for (j = i; j > 1 && value[k, j] < value[k, j - 1]; j--) {
					t = value[k, j]; value[k, j] = value[k, j - 1]; value[k, j - 1] = t
				}
		}
		function median(k) {
			if (!n[k])
				return "-"
			return n[k] % 2 ? value[k, (n[k] + 1) / 2] : (value[k, n[k] / 2] + value[k, n[k] / 2 + 1]) / 2
		}
		function show(v) {
			if (v == "-")
				return v
			return v >= 1e11 ? "never" : v >= 100 || v == int(v) ? sprintf("%.0f", v) : sprintf("%.1f", v)
		}
		END {
			sort("stock"); sort("patched")
			s = median("stock"); p = median("patched")
			ratio = s == "-" || p == "-" || s >= 1e11 || p >= 1e11 || s <= 0 || p <= 0 ? "-" : \
				s / p >= 10 ? sprintf("%.0f", s / p) : sprintf("%.1f", s / p)
			print show(s), show(p), ratio, \
				n["stock"] ? show(value["stock", 1]) : "-", n["stock"] ? show(value["stock", n["stock"]]) : "-", \
				n["patched"] ? show(value["patched", 1]) : "-", n["patched"] ? show(value["patched", n["patched"]]) : "-"
		}'
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

# print_table DIR RUNS SCENARIO...
print_table() {
	local dir=$1 runs=$2 name key words stock patched ratio low high low2 high2 format='%-44s %12s %12s %9s'

	shift 2
	# shellcheck disable=SC2059
	printf "$format%s\n" '' stock patched ratio "$([ "$runs" -eq 1 ] || printf '   %s' 'range, stock | patched')"
	for name; do
		scenario_title "$name"
		while read -r key words; do
			read -r stock patched ratio low high low2 high2 < <(results "$dir" "$name" "$key")
			# shellcheck disable=SC2059
			printf "$format%s\n" "  $words" "$stock" "$patched" "$ratio" \
				"$([ "$runs" -eq 1 ] || printf '   %s..%s | %s..%s' "$low" "$high" "$low2" "$high2")"
		done < <(scenario_figures "$name" "$dir")
	done
}

# Every scenario must have given a result on both kernels.
complete() {
	local dir=$1 name kind

	shift
	for name; do
		for kind in stock patched; do
			grep -qs '^RESULT scenario=' "$dir/$kind-$name"-*.out || return 1
		done
	done
}
