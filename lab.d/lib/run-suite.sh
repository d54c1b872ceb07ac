# shellcheck shell=bash
# One suite is run in a guest, and its results are read.
use guest build suite verdict

# What the kernel must never say, whatever the test.
kernel_complaints() {
	grep -a -E -e '(BUG|WARNING|INFO|UBSAN|KASAN|KCSAN|Oops): ' -e 'general protection fault' \
		-e 'detected stalls' -e 'kmemleak: [0-9]+ new' -e 'Bad page state' -e 'Bad rss-counter' \
		-e 'refcount_t:' -e 'DEBUG_LOCKS_WARN_ON' -e 'scheduling while atomic' -e 'Kernel panic' "$1"
}

# Kernels and the guest's files are built once a run, when first wanted.
declare -gA prepared=()
prepare_kernel() {
	await_builds
	if [ -z "${prepared[guest]-}" ]; then
		make_initramfs die
		prepared[guest]=1
	fi
	if [ -z "${prepared[$1]-}" ]; then
		build_kernel "$1"
		make_modules_archive "$1"
		prepared[$1]=1
	fi
}

# read_ktap SUITE STATUS DIAGNOSTICS FILE: a line per test, "pass|fail|skip NAME [DETAIL]".
read_ktap() {
	awk -v suite="$1" -v status="$2" -v diagnostics="$3" -f "$top/lab.d/lib/ktap.awk" "$4"
}

# The same from what kunit.py parse printed; a suite's own line is no test.
read_kunit() {
	sed -n -E -e 's/^.*=+ ([a-zA-Z0-9_-]+) \([0-9]+ subtests?\) =+.*/suite \1/p' \
		-e 's/^.*\[PASSED\] ([^= ]+).*/pass \1/p' -e 's/^.*\[(FAILED|CRASHED|TIMED OUT|ERROR)\] ([^= ]+).*/fail \2/p' \
		-e 's/^.*\[SKIPPED\] ([^= ]+).*/skip \1/p' "$1" |
		awk '$1 == "suite" { suite = $2; next } $2 == suite { next } { print $1, suite "." $2 }'
}

# run_suite NAME KERNEL [TEST]
run_suite() {
	local name=$1 kernel=$2 test=${3:-} label=$1 command status detail line start=$SECONDS factor=1 said seconds program
	local -A suite guest

	read_suite "$name"
	program=${suite[program]}
	prepare_kernel "$kernel"
	[ "$kernel" = patched ] || label=$name@$kernel
	guest_defaults
	[[ $kernel != *debug ]] || factor=4
	for line in mem smp nodes swap zram cgroup; do guest[$line]=${suite[$line]}; done
	guest[append]="${suite[cmdline]//,/ } ${test_run[append]}"
	# KASAN's shadow takes an eighth, its quarantine and lockdep some more.
	[[ $kernel != *debug ]] || guest[mem]=$((suite[mem] + 256))
	[ "${suite[stress]}" != yes ] || { make_stress_archive && guest[stress]=1; }
	seconds=${test_run[seconds]:-${suite[seconds]:+$((suite[seconds] * factor))}}
	guest[timeout]=$((${test_run[limit]:-${suite[timeout]}} * factor + seconds))
	say "$label: ${guest[mem]} MB, ${guest[smp]} CPUs, ${guest[nodes]} node(s), kernel $kernel"
	if [ "$program" = kunit ]; then
		run_kunit "$label" "$kernel"
		return
	fi
	if [ "$program" != mm/mrelease_test ] && [ ! -x "$selftests/$program" ]; then
		result fail "$label" "there is no program $program"
		return
	fi
	command="cd /root/kselftest/${program%/*} && exec ./${program##*/}"
	# One variant of a test is named FIXTURE.VARIANT.TEST.
	for line in ${test:-${suite[tests]//,/ }}; do command+=" $([[ $line == *.* ]] && echo -r || echo -t) $line"; done
	[ "$factor" -eq 1 ] || command="export OOM_REAPER_SLOW=$factor OOM_REAPER_RACES=1; $command"
	[ -z "$seconds" ] || command="export OOM_STORM_SECONDS=$seconds; $command"
	run_guest "test-$name" "$kernel" "$command"
	said=$log/test-$name-$kernel.said
	rm -f "$said"
	[ -z "${test_run[verbose]}" ] || cat "${guest[out]}"
	while read -r status line detail; do
		result "$status" "${label}${line#"$name"}" "$detail"
	done < <(read_ktap "$name" "${guest[status]}" "$said" "${guest[out]}")
	[ ! -s "$said" ] || [ -n "${test_run[verbose]}" ] || tail -n 25 "$said" | sed 's/^/        /'
	judge_guest "$label"
	say "$label: $((SECONDS - start)) s"
}

# judge_guest LABEL: how guest[] ended and what its kernel had to say.
judge_guest() {
	local complaint

	complaint=$(guest_failure)
	if [ -n "$complaint" ]; then
		result fail "$1.guest" "$complaint"
	else
		complaint=$(kernel_complaints "${guest[console]}" | head -n 1) || :
		[ -z "$complaint" ] || result fail "$1.log" "$complaint (console: ${guest[console]})"
	fi
}

# The unit tests run while the kernel boots, and the kernel's own tool reads them.
run_kunit() {
	local label=$1 kernel=$2 status name parsed

	parsed=$log/kunit-$kernel.parsed
	if ! grep -q '_KUNIT_TEST=y' "$(kernel_out "$kernel")/.config"; then
		result skip "$label" "the $kernel kernel has no unit tests"
		return
	fi
	need python3:python3
	guest[append]+=' kunit.enable=1'
	run_guest "test-kunit" "$kernel" true
	python3 "$base/tools/testing/kunit/kunit.py" parse "${guest[console]}" >"$parsed" 2>&1 || :
	[ -z "${test_run[verbose]}" ] || cat "$parsed"
	if ! grep -q 'Testing complete. Ran [1-9]' "$parsed"; then
		result fail "$label" "no unit test ran (console: ${guest[console]})"
	fi
	while read -r status name; do
		result "$status" "$label.$name"
	done < <(read_kunit "$parsed")
	judge_guest "$label"
}
