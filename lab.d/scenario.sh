# shellcheck shell=bash
# One scenario: its line in the table, its guest, its results.

scenario_table=$top/lab.d/scenarios
selftests_source=$repo/tools/testing/selftests

# The names in the table, and the programs that have no line in it.
scenario_names() {
	local program

	awk '$1 !~ /^#/ && NF >= 2 { print $1 }' "$scenario_table"
	# shellcheck disable=SC2013
	for program in $(sed -n 's/^TEST_GEN_PROGS *[:+]*= *//p' "$selftests_source/oom_reaper/Makefile" 2>/dev/null); do
		awk -v p="oom_reaper/$program" '$1 !~ /^#/ && $2 == p { found = 1 } END { exit !found }' "$scenario_table" ||
			printf '%s\n' "$program"
	done
}

# scenario NAME sets the s_ variables.
scenario() {
	local line words word

	line=$(awk -v n="$1" '$1 == n { print; exit }' "$scenario_table")
	read -r -a words <<<"${line:-$1 oom_reaper/$1}"
	s_name=$1 s_program=${words[1]}
	s_mem=512 s_smp=2 s_nodes=1 s_swap='' s_zram='' s_cgroup=v2 s_cmdline='' s_timeout=120
	s_tests='' s_seconds='' s_stress='' s_kind=quick s_debug=yes
	for word in "${words[@]:2}"; do
		case ${word%%=*} in
		mem | smp | nodes | swap | zram | cgroup | cmdline | timeout | tests | seconds | stress | kind | debug)
			printf -v "s_${word%%=*}" '%s' "${word#*=}"
			;;
		*) die "lab.d/scenarios: $1 has \"$word\", which means nothing" ;;
		esac
	done
	s_source=
	if [ "$s_program" != kunit ]; then
		s_source=$selftests_source/$s_program.c
		# The same source, built a second time.
		[ -e "$s_source" ] || s_source=$selftests_source/${s_program%_32}.c
	fi
}

# The scenario's tests, as the harness will name them, from its source.
scenario_tests() {
	[ -e "$s_source" ] || return 0
	if [ -n "$s_tests" ]; then
		tr , '\n' <<<"$s_tests"
		return
	fi
	sed -n -E -e 's/^TEST(_SIGNAL|_TIMEOUT)?\( *([A-Za-z0-9_]+).*/\2/p' \
		-e 's/^TEST_F(_SIGNAL|_TIMEOUT)?\( *[A-Za-z0-9_]+ *, *([A-Za-z0-9_]+).*/\2/p' "$s_source"
}

# What the kernel must never say, whatever the scenario.
kernel_complaints() {
	grep -a -E -e '(BUG|WARNING|INFO|UBSAN|KASAN|KCSAN|Oops): ' -e 'general protection fault' \
		-e 'detected stalls' -e 'kmemleak: [0-9]+ new' -e 'Bad page state' -e 'Bad rss-counter' \
		-e 'refcount_t:' -e 'DEBUG_LOCKS_WARN_ON' -e 'scheduling while atomic' -e 'Kernel panic' "$1"
}

# Kernels and the guest's files are built once a run, when first wanted.
declare -A prepared
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
	awk -v suite="$1" -v status="$2" -v diagnostics="$3" -f "$top/lab.d/ktap.awk" "$4"
}

# The same from what kunit.py parse printed; a suite's own line is no test.
read_kunit() {
	sed -n -E -e 's/^.*=+ ([a-zA-Z0-9_-]+) \([0-9]+ subtests?\) =+.*/suite \1/p' \
		-e 's/^.*\[PASSED\] ([^= ]+).*/pass \1/p' -e 's/^.*\[(FAILED|CRASHED|TIMED OUT|ERROR)\] ([^= ]+).*/fail \2/p' \
		-e 's/^.*\[SKIPPED\] ([^= ]+).*/skip \1/p' "$1" |
		awk '$1 == "suite" { suite = $2; next } $2 == suite { next } { print $1, suite "." $2 }'
}

# What lab mutants adds to the command line of a guest, and how long it may run.
scenario_append='' scenario_limit=''

# run_scenario NAME KERNEL [TEST]
run_scenario() {
	local name=$1 kernel=$2 test=${3:-} label=$1 command status detail line start=$SECONDS factor=1 said seconds

	scenario "$name"
	prepare_kernel "$kernel"
	[ "$kernel" = patched ] || label=$name@$kernel
	guest_defaults
	[[ $kernel != *debug ]] || factor=4
	g_mem=$s_mem g_smp=$s_smp g_nodes=$s_nodes g_swap=$s_swap g_zram=$s_zram g_cgroup=$s_cgroup
	g_append="${s_cmdline//,/ } $scenario_append" g_timeout=$((${scenario_limit:-s_timeout} * factor))
	# KASAN's shadow takes an eighth, its quarantine and lockdep some more.
	[[ $kernel != *debug ]] || g_mem=$((s_mem + 256))
	[ "$s_stress" != yes ] || { make_stress_archive && g_stress=1; }
	seconds=${test_seconds:-${s_seconds:+$((s_seconds * factor))}}
	g_timeout=$((g_timeout + seconds))
	say "$label: $g_mem MB, $g_smp CPUs${s_nodes:+, $s_nodes node(s)}, kernel $kernel"
	if [ "$s_program" = kunit ]; then
		run_kunit "$label" "$kernel"
		return
	fi
	if [ "$s_program" != mm/mrelease_test ] && [ ! -x "$selftests/$s_program" ]; then
		result fail "$label" "there is no program $s_program"
		return
	fi
	command="cd /root/kselftest/${s_program%/*} && exec ./${s_program##*/}"
	# One variant of a test is named FIXTURE.VARIANT.TEST.
	for line in ${test:-${s_tests//,/ }}; do command+=" $([[ $line == *.* ]] && echo -r || echo -t) $line"; done
	[ "$factor" -eq 1 ] || command="export OOM_REAPER_SLOW=$factor OOM_REAPER_RACES=1; $command"
	[ -z "$seconds" ] || command="export OOM_STORM_SECONDS=$seconds; $command"
	run_guest "test-$name" "$kernel" "$command"
	said=$log/test-$name-$kernel.said
	rm -f "$said"
	[ -z "$verbose" ] || cat "$g_out"
	while read -r status line detail; do
		result "$status" "${label}${line#"$name"}" "$detail"
	done < <(read_ktap "$name" "$g_status" "$said" "$g_out")
	[ ! -s "$said" ] || [ -n "$verbose" ] || tail -n 25 "$said" | sed 's/^/        /'
	judge_guest "$label"
	say "$label: $((SECONDS - start)) s"
}

# judge_guest LABEL: how the guest ended and what its kernel had to say.
judge_guest() {
	local complaint

	complaint=$(guest_failure)
	if [ -n "$complaint" ]; then
		result fail "$1.guest" "$complaint"
	else
		complaint=$(kernel_complaints "$g_console" | head -n 1) || :
		[ -z "$complaint" ] || result fail "$1.log" "$complaint (console: $g_console)"
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
	g_append+=' kunit.enable=1'
	run_guest "test-kunit" "$kernel" true
	python3 "$base/tools/testing/kunit/kunit.py" parse "$g_console" >"$parsed" 2>&1 || :
	[ -z "$verbose" ] || cat "$parsed"
	if ! grep -q 'Testing complete. Ran [1-9]' "$parsed"; then
		result fail "$label" "no unit test ran (console: $g_console)"
	fi
	while read -r status name; do
		result "$status" "$label.$name"
	done < <(read_kunit "$parsed")
	judge_guest "$label"
}
