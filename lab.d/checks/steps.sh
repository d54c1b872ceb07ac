# shellcheck shell=bash
# The series on the way: each step compiles, some are booted.
use build run-suite

# Each step of the series compiles: the folders with the files that it touches.
check series.steps named
check_series_steps() {
	local n count dirs

	needs_series
	count=$(series_list | wc -l)
	scratch
	dirs=$({ own_files && for p in $(series_list); do patch_touches "$patches/$p"; done; } |
		grep '\.c$' | grep -v '^\(tools\|Documentation\)/' | sed 's|/[^/]*$|/|' | sort -u)
	for ((n = 1; n <= count; n++)); do
		update_tree "$build/steps" "$n"
		kernel_config steps
		# shellcheck disable=SC2046 # a list of folders
		kernel_make steps $(for d in $dirs; do [ ! -e "$build/steps/$d/Makefile" ] || echo "$d"; done) \
			>"$log/step-$n.log" 2>&1 || {
			echo "step $n of $count, $(series_list | sed -n "${n}p"), does not compile:"
			grep -E -m 10 'error:|Error ' "$log/step-$n.log"
			return 1
		}
		if grep -E 'warning:' "$log/step-$n.log"; then
			echo "step $n of $count, $(series_list | sed -n "${n}p"), has warnings"
			return 1
		fi
	done
}

# Steps that bring something of their own are booted, and that is tried: words of
# the patch's name, and a suite.
step_samples='reap-under-the-locks:mrelease hand-victims-over:burst sleep-until-victims-make-progress:memcg low-orders-fail:alloc'

check series.boots named
check_series_boots() {
	local sample n

	needs_series
	make_initramfs die
	# What the check builds itself is not to be built as the whole series is.
	prepared=([guest]=1 [steps]=1)
	test_run[failed]=0
	for sample in $step_samples; do
		n=$(series_list | grep -n -m1 -- "${sample%:*}" | cut -d: -f1)
		[ -n "$n" ] || {
			echo "no patch of the series has the words ${sample%:*}"
			return 1
		}
		echo "step $n, $(series_list | sed -n "${n}p"):"
		update_tree "$build/steps" "$n"
		kernel_config steps
		kernel_make steps bzImage modules >"$log/step-$n.log" 2>&1 || {
			grep -E -m 10 'error:|Error ' "$log/step-$n.log"
			return 1
		}
		rm -rf "$build/steps/o/.lab-modules"
		install_modules steps >>"$log/step-$n.log" 2>&1 || return
		make_modules_archive steps
		run_suite "${sample#*:}" steps
	done
	[ "${test_run[failed]}" -eq 0 ]
}
