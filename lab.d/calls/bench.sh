# shellcheck shell=bash
use measure profile exact-table exact-judge

bench_help() {
	cat <<-'H'
		usage: lab bench [--runs N] [SCENARIO...] [KEY=VALUE...]
		       lab bench --exact [--update]
		       lab bench --profile NAME [--from FUNCTION[:N]] [--length N]
		                 [--mark FUNCTION:...]

		Measures each scenario on the stock and the patched kernel by turns, N times (5),
		and prints medians, their ratio and the range; build/bench.txt keeps the table,
		build/bench.svg shows it, build/bench/ has every run. KEY=VALUE goes to oom_bench,
		for example mb=256.

		scenarios: dstate mmap_lock hog_dstate hog_mmap_lock burst futex mrelease spinners
		natural[_1cpu][_thp][_threads] vma_locks

		--exact measures in guests with one CPU whose clock counts instructions, a
		nanosecond each: the same figures on every host, also beside other work.
		build/exact.txt keeps the table. --update writes lab.d/exact/ anew, by
		which lab test exact judges.

		--profile says where the instructions of one of these go, by function,
		on both kernels: from the first call of out_of_memory(), or the call after
		N others, for ten million instructions, with a line and a section for
		each call of the marked functions. The names are those of the figures in
		lab.d/exact/figures: hog_dstate.
	H
}

# One row per figure in milliseconds: median and range of both kernels.
draw_bench() {
	local dir=$1 svg=$2 name key words row=0 value

	shift 2
	need gnuplot:gnuplot-nox
	: >"$dir/bench.dat"
	for name; do
		while read -r key words; do
			[[ $key == *_ms ]] || continue
			row=$((row + 1))
			# What never came is drawn at the right edge.
			read -r -a value < <(results "$dir" "$name" "$key" | sed -e 's/never/100000/g' -e 's/\(^\| \)-/\1NaN/g')
			printf '%d "%s\\n%s" %s\n' "$row" "$name" "${words//_/ }" "${value[*]}" >>"$dir/bench.dat"
		done < <(scenario_figures "$name" "$dir")
	done
	[ "$row" -gt 0 ] || return 0
	{
		printf "set terminal svg size 900,%d font 'sans,14' background '#ffffff'\n" $((110 + 52 * row))
		printf "set output '%s'\ndata = '%s'\nrows = %d\n" "$svg" "$dir/bench.dat" "$row"
		cat "$top/lab.d/pictures/bench.gp"
	} >"$dir/bench.gp"
	gnuplot "$dir/bench.gp" >"$log/gnuplot.log" 2>&1 || die "gnuplot fails: $(grep -m1 . "$log/gnuplot.log")"
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

cmd_bench() {
	local names=() arguments=() runs='' dir=$build/bench exact='' update='' profile='' from=out_of_memory length=10000000 mark=oom_kill_process

	while [ $# -gt 0 ]; do
		case $1 in
		--help) bench_help && return ;;
		--exact) exact=1 ;;
		--update) update=1 ;;
		--profile | --from | --mark)
			value_of "$1" $#
			[[ $2 =~ ^[A-Za-z0-9_.:]+$ ]] || refuse "$1 is \"$2\": names are needed"
			printf -v "${1#--}" '%s' "$2"
			shift
			;;
		--length)
			value_of "$1" $#
			is_number "$2" "$1" 1 999999999
			length=$2
			shift
			;;
		--runs)
			value_of "$1" $#
			is_number "$2" "$1" 1 1000
			runs=$2
			shift
			;;
		-*) refuse "lab bench knows no \"$1\"" ;;
		*=*)
			[[ $1 =~ ^[a-z_]+=[0-9]+$ ]] || refuse "\"$1\" is no option of oom_bench: KEY=NUMBER is needed"
			arguments+=("$1")
			;;
		*)
			known_scenario "$1" || refuse "no scenario \"$1\": $bench_scenarios are known"
			names+=("$1")
			;;
		esac
		shift
	done
	[ -n "$exact" ] || [ -z "$update" ] || refuse 'lab bench --update goes with --exact'
	if [ -n "$profile" ]; then
		exact_programs patched all | grep "^$profile " >/dev/null || refuse "no \"$profile\" among the exact figures"
		profile_exact "$profile" "$from" "$length" "$mark"
		return
	fi
	if [ -n "$exact" ]; then
		[ -z "$runs${names[*]-}${arguments[*]-}" ] ||
			refuse 'lab bench --exact measures all of its scenarios, as they are'
		bench_exact "$update"
		return
	fi
	runs=${runs:-5}
	# shellcheck disable=SC2206
	[ ${#names[@]} -gt 0 ] || names=($bench_scenarios)
	measure "$dir" "$runs" "${arguments[*]-}" "${names[@]}"
	print_table "$dir" "$runs" "${names[@]}" | tee "$build/bench.txt"
	draw_bench "$dir" "$build/bench.svg" "${names[@]}"
	say "drawn: $build/bench.svg; the table again: $build/bench.txt"
	complete "$dir" "${names[@]}" || die 'not every scenario gave a result'
}
