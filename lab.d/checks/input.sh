# shellcheck shell=bash
# Calls that make no sense are refused in one line.

# expect_refusal NAME=VALUE... -- ARGS: lab must say one line, not a word on
# stdout, and fail.
expect_refusal() {
	local env=() out status=0

	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	out=$(env "${env[@]}" "$top/lab" "$@" 2>"$work/err" </dev/null) || status=$?
	if [ $status -eq 0 ] || [ -n "$out" ] || [ "$(grep -c '' "$work/err")" -ne 1 ] ||
		! grep -q '^lab: ' "$work/err"; then
		printf '%s lab %s: status %d, stdout "%s", stderr:\n' "${env[*]}" "$*" "$status" "$out"
		cat "$work/err"
		bad=1
	fi
}

check lab.input quick
check_lab_input() {
	local bad=0 call

	scratch
	mkdir -p "$work/v5" "$work/empty"
	printf 'VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 7\nEXTRAVERSION =\n' >"$work/v5/Makefile"
	tar -C "$work" -cf "$work/v5.tar" v5
	echo 'no tar file' >"$work/text"
	: >"$work/plain"
	expect_refusal -- biuld
	expect_refusal -- --no-such-option
	for call in demo test build boot bench mutants series tree save deb; do
		expect_refusal -- "$call" --no-such-option
		"$top/lab" "$call" --help >"$work/help" 2>&1 && grep -q "^usage: lab $call" "$work/help" || {
			echo "lab $call --help: no usage"
			bad=1
		}
	done
	expect_refusal -- build vanilla
	expect_refusal -- build stock patched
	expect_refusal -- boot stock --
	expect_refusal -- boot --mem
	expect_refusal -- boot --mem lots
	expect_refusal -- boot --mem 0
	expect_refusal -- boot --cpus -1
	expect_refusal -- boot --cgroup v3
	expect_refusal -- boot --add "$work/nothing"
	expect_refusal -- boot --swap 99999999999999999999
	expect_refusal -- test no_such_test
	expect_refusal -- test --kernel vanilla
	expect_refusal -- test --seconds soon
	expect_refusal -- demo no_such_scenario
	expect_refusal -- bench --runs 0
	expect_refusal -- bench --exact --runs 3
	expect_refusal -- bench --exact dstate
	expect_refusal -- bench --update
	expect_refusal -- bench --profile no_such_figure
	expect_refusal -- mutants one
	expect_refusal -- mutants 9999
	expect_refusal -- mutants --sample 0
	expect_refusal -- mutants --sample 3 1
	expect_refusal -- mutants --seed 1
	expect_refusal -- series "$work/text"
	expect_refusal -- series one two
	expect_refusal -- series --part
	expect_refusal -- series --part no_such_part
	expect_refusal -- series --part -
	expect_refusal -- deb one two
	expect_refusal -- deb --config huge
	expect_refusal CONFIG="$work/nothing" -- deb
	expect_refusal CONFIG="$work/text" -- deb
	expect_refusal LAB_ACCEL=hvf -- build stock
	expect_refusal LAB_JOBS=many -- build stock
	expect_refusal KERNEL_SOURCE="$work/nothing" -- build stock
	grep -q 5.10.7 < <(KERNEL_SOURCE=$work/v5 "$top/lab" build stock 2>&1) || {
		echo 'KERNEL_SOURCE of Linux 5.10.7: the version is not named'
		bad=1
	}
	# These are unpacked before they are refused, which is said in a line more.
	for call in v5 v5.tar text plain empty; do
		KERNEL_SOURCE=$work/$call "$top/lab" build stock >"$work/out" 2>"$work/err" && {
			echo "KERNEL_SOURCE=$call was taken"
			bad=1
		}
		[ "$(grep -vc '^lab: unpacking ' "$work/err")" -eq 1 ] || {
			echo "KERNEL_SOURCE=$call:"
			cat "$work/err"
			bad=1
		}
	done
	[ -e "$base/.lab-source" ] || {
		echo 'the unpacked source was lost over a wrong one'
		bad=1
	}
	return $bad
}
