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

# build_step N WHAT: the kernel of the series' first N patches, with its modules.
build_step() {
	echo "step $1, $2:"
	update_tree "$build/steps" "$1"
	kernel_config steps
	kernel_make steps bzImage modules >"$log/step-$1.log" 2>&1 || {
		grep -E -m 10 'error:|Error ' "$log/step-$1.log"
		return 1
	}
	rm -rf "$build/steps/o/.lab-modules"
	install_modules steps >>"$log/step-$1.log" 2>&1 || return
	make_modules_archive steps
	# What a check builds itself is not to be built as the whole series is.
	prepared=([guest]=1 [steps]=1)
}

# Steps that bring something of their own are booted, and that is tried: words of
# the patch's name, and a suite.
step_samples='process_mrelease-go-on:mrelease hand-victims-over:burst mm-memcg-wait-for-OOM-victims:memcg low-orders-fail:alloc'

check series.boots named
check_series_boots() {
	local sample n

	needs_series
	make_initramfs die
	test_run[failed]=0
	for sample in $step_samples; do
		n=$(series_list | grep -n -m1 -- "${sample%:*}" | cut -d: -f1)
		[ -n "$n" ] || {
			echo "no patch of the series has the words ${sample%:*}"
			return 1
		}
		build_step "$n" "$(series_list | sed -n "${n}p")" || return
		run_suite "${sample#*:}" steps
	done
	[ "${test_run[failed]}" -eq 0 ]
}

# part_suites: the quick suites whose programs and tests are there at a step.
part_suites() {
	local name test
	local -A suite

	for name in $(suite_names); do
		read_suite "$name"
		[ "${suite[kind]}" = quick ] || continue
		if [ "${suite[program]}" = kunit ]; then
			grep -qs '_KUNIT_TEST=y' "$(kernel_out steps)/.config" || continue
		elif [ ! -x "$selftests/${suite[program]}" ]; then
			continue
		fi
		for test in ${suite[tests]//,/ }; do
			source_tests "${suite[source]}" | grep -xF "$test" >/dev/null || continue 2
		done
		echo "$name"
	done
}

# Each part builds, boots and passes the tests that are there by then, on top of those
# before it.
check series.parts named
check_series_parts() {
	local part n=0 name guest_files=$build/steps-guest broken='' selftests selftests_source

	needs_series
	has_parts || {
		echo 'the series has no parts'
		return 4
	}
	selftests=$guest_files/kselftest
	selftests_source=$build/steps/tools/testing/selftests
	test_run[failed]=0
	for part in $(series_parts | cut -d' ' -f1 | uniq); do
		n=$((n + $(part_patches "$part" | wc -l)))
		build_step "$n" "the end of part $part" || return
		build_selftests die steps
		pack_guest
		for name in $(part_suites); do run_suite "$name" steps; done
	done
	[ "${test_run[failed]}" -eq 0 ]
}
