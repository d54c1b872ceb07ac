# shellcheck shell=bash
# What lab makes of the output of tests and of a kernel's log.
use run-suite

# expect_verdicts WHAT STATUS INPUT WANTED: what read_ktap makes of it.
expect_verdicts() {
	local got

	printf '%b' "$3" >"$work/ktap"
	got=$(read_ktap s "$2" "$work/said" "$work/ktap" | tr '\n' ';')
	[ "$got" = "$4" ] || {
		printf '%s: "%s", not "%s"\n' "$1" "$got" "$4"
		bad=1
	}
}

check lab.verdicts quick
check_lab_verdicts() {
	local bad=0 run='#  RUN           s.b ...\n'

	scratch
	need python3:python3
	expect_verdicts passes 0 'TAP version 13\n1..2\nok 1 s.a\nok 2 f.v.b\n' 'pass s.a;pass s.f.v.b;'
	expect_verdicts skips 4 '1..2\nok 1 a # SKIP no swap\nok 2 b\n' 'skip s.a no swap;pass s.b;'
	expect_verdicts 'skips all' 4 '1..0 # SKIP not root\n' 'skip s not root;'
	expect_verdicts fails 1 "1..1\\n$run# x.c:1:b:Expected 1 == 2\\nnot ok 1 s.b\\n" 'fail s.b x.c:1:b:Expected 1 == 2;'
	expect_verdicts 'breaks off' hang "1..3\\nok 1 s.a\\n$run" 'pass s.a;fail s.b did not end; 2 of 3 tests are without a result;'
	expect_verdicts 'says nothing' crash '' 'fail s printed no plan;'
	expect_verdicts 'bails out' 1 '1..2\nok 1 a\nBail out! no memory\n' 'pass s.a;fail s Bail out! no memory;'
	expect_verdicts 'wrong status' 1 '1..1\nok 1 a\n' 'pass s.a;fail s ended with status 1 though no test of it failed;'
	expect_verdicts 'no tests' 0 '1..0\n' 'fail s has no tests;'

	printf '[    0.1] KTAP version 1\n[    0.1] 1..1\n[    0.2]     KTAP version 1\n[    0.2]     # Subtest: q\n[    0.2]     1..3\n[    0.2]     ok 1 a\n[    0.2]     not ok 2 b\n[    0.2]     ok 3 c # SKIP no\n[    0.2] not ok 1 q\n' >"$work/kunit"
	python3 "$base/tools/testing/kunit/kunit.py" parse "$work/kunit" >"$work/parsed" 2>&1 || :
	[ "$(read_kunit "$work/parsed" | tr '\n' ';')" = 'pass q.a;fail q.b;skip q.c;' ] || {
		echo 'kunit:'
		read_kunit "$work/parsed"
		bad=1
	}

	# The kernel's complaints are seen, its everyday words are not.
	printf '[    1.0] %s\n' 'Out of memory: Killed process 7 (a)' 'oom_reaper: unable to reap pid:7 (a)' >"$work/console"
	! kernel_complaints "$work/console" || bad=1
	for line in 'BUG: KASAN: use-after-free in x' 'WARNING: CPU: 0 PID: 1 at mm/oom_kill.c:1 x+0x1/0x2' \
		'WARNING: possible recursive locking detected' 'INFO: task a:7 blocked for more than 120 seconds.' \
		'rcu: INFO: rcu_preempt self-detected stall on CPU' 'watchdog: BUG: soft lockup - CPU#0 stuck'; do
		printf '[    1.0] %s\n' "$line" >"$work/console"
		kernel_complaints "$work/console" >/dev/null || {
			echo "not seen in a log: $line"
			bad=1
		}
	done
	return $bad
}
