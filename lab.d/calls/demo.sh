# shellcheck shell=bash
use measure table

demo_help() {
	cat <<-'H'
		usage: lab demo [SCENARIO...]

		Builds the stock and the patched kernel, boots both for each scenario (2 CPUs,
		512 MB), prints one table and draws build/demo.svg: free memory and the hog's
		progress over time, stock above patched.

		scenarios: dstate mmap_lock hog_dstate hog_mmap_lock burst
	H
}

# One run's samples, as many as a picture needs: seconds since the kill, MB free, MB of the hog.
samples() {
	sed -n -E 's/^SAMPLE .*t_ms=([-0-9.]+) free_kb=([0-9]+) hog_kb=([0-9]+).*/\1 \2 \3/p' "$1" |
		awk 'BEGIN { next_ms = -1e9 }
		$1 > -520 && $1 < 4520 && $1 >= next_ms {
			printf "%.3f %.0f %.0f\n", $1 / 1000, $2 / 1024, $3 / 1024
			next_ms = $1 + 19
		}'
}

draw_demo() {
	local dir=$1 svg=$2 name kind n=0

	shift 2
	need gnuplot:gnuplot-nox
	for name; do
		for kind in stock patched; do
			samples "$dir/$kind-$name-1.out" >"$dir/$kind-$name.dat"
		done
	done
	{
		printf "set terminal svg size %d,600 font 'sans,15' background '#ffffff'\n" $((160 + 270 * $#))
		printf "set output '%s'\n" "$svg"
		cat "$top/lab.d/pictures/demo.gp"
		printf 'set multiplot layout 2,%d columnsfirst margins 0.07,0.985,0.15,0.86 spacing 0.018,0.09\n' $#
		for name; do
			for kind in stock patched; do
				demo_panel "$dir" "$name" "$kind" $n
			done
			n=$((n + 1))
		done
		echo 'unset multiplot'
	} >"$dir/demo.gp"
	gnuplot "$dir/demo.gp" >"$log/gnuplot.log" 2>&1 || die "gnuplot fails: $(grep -m1 . "$log/gnuplot.log")"
}

demo_panel() {
	local dir=$1 name=$2 kind=$3 n=$4

	printf "set format y ''\nunset ylabel\nset format x ''\nunset xlabel\nunset title\n"
	[ "$n$kind" = 0stock ] || printf 'unset label\nunset arrow 2\nunset arrow 3\n'
	if [ "$n" -eq 0 ]; then
		printf "set format y '%%g'\nset ylabel '%s: MB'\n" "$kind"
	fi
	if [ "$kind" = stock ]; then
		printf "set title '%s' noenhanced offset 0,-0.6\n" "$name"
	else
		printf "set format x '%%g'\nset xlabel 's since the kill'\n"
	fi
	printf "plot '%s' using 1:2 with linespoints linestyle 1, '' using 1:(\$3 > 0 ? \$3 : NaN) with linespoints linestyle 2\n" \
		"$dir/$kind-$name.dat"
}

cmd_demo() {
	local names=() dir=$build/demo

	while [ $# -gt 0 ]; do
		case $1 in
		--help) demo_help && return ;;
		-*) refuse "lab demo knows no \"$1\"" ;;
		*)
			known_scenario "$1" || refuse "no scenario \"$1\": $demo_scenarios are known"
			names+=("$1")
			;;
		esac
		shift
	done
	# shellcheck disable=SC2206
	[ ${#names[@]} -gt 0 ] || names=($demo_scenarios)
	measure "$dir" 1 '' "${names[@]}"
	print_table "$dir" 1 "${names[@]}" | tee "$build/demo.txt"
	draw_demo "$dir" "$build/demo.svg" "${names[@]}"
	say "drawn: $build/demo.svg; the figures again: $build/demo.txt"
	complete "$dir" "${names[@]}" || die 'not every scenario gave a result'
}
