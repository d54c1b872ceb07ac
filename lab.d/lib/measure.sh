# shellcheck shell=bash
# Measurements: the scenarios of oom_bench on stock and patched kernels in turn.
use guest build scenario table

# measure DIR RUNS ARGUMENTS SCENARIO... runs each scenario RUNS times on each kernel,
# stock and patched by turns so that a change of the machine's mood hits both alike.
# ARGUMENTS, words, are oom_bench's, after those of the scenario.
measure() {
	local dir=$1 runs=$2 arguments=$3 kind name run n=0 all start=$SECONDS out program options
	local -A guest

	shift 3
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
					"cd /root/kselftest/oom_reaper && exec ./oom_bench $program ${options[*]} $arguments"
				out=$dir/$kind-$name-$run.out
				cp "${guest[out]}" "$out"
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
