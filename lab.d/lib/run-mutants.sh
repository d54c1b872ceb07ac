# shellcheck shell=bash
# Each mutant is turned on, and the tests that have to notice it are run.
use mutants run-suite

# Of KERNEL.SUITE, with no mutant on: seconds that its tests took, and whether
# it is unfit to judge a mutant by.
declare -gA sane_seconds=() insane=()

# mutant_verdict pass|fail|skip WORD TEXT
mutant_verdict() {
	local count=passed

	case $1 in
	fail) count=failed ;;
	skip) count=skipped ;;
	esac
	test_run[$count]=$((test_run[$count] + 1))
	printf '%-7s %s\n' "$2" "$3"
}

# The guest may have been ended in the middle: its words go into a log, this does not.
mutants_broken_off() {
	mutant_verdict fail FAILED 'the run broke off' >&"$verdict_fd"
	verdict >&"$verdict_fd"
}

# run_mutant_tests N KERNEL SUITE LIMIT [TEST...]: "pass|fail|skip NAME" of each goes to
# $mutant_results; the caller's "reached" says whether the mutant's place was.
run_mutant_tests() {
	local number=$1 kernel=$2 name=$3 limit=$4 run=$log/mutant-$1-$3 shown=${test_run[verbose]}
	# A test run of its own: what fails in it is a mutant that was noticed.
	local -A test_run=([seconds]='' [minutes]='' [verbose]='' [passed]=0 [failed]=0 [skipped]=0
		[append]="oom_mut=$number" [limit]=$limit)

	shift 4
	run_suite "$name" "$kernel" "$*" >"$run.results" 2>>"$log/mutants.log"
	[ -z "$shown" ] || sed 's/^/        /' "$run.results"
	cp "$log/test-$name-$kernel.console" "$run.console"
	cp "$log/test-$name-$kernel.out" "$run.out"
	sed -n -E -e 's/^ok +/pass /p' -e 's/^FAILED +/fail /p' -e 's/^skipped +/skip /p' "$run.results" |
		sed -E -e 's/@mutants(_debug)?//' -e 's/^([a-z]+ [^ ]*):( |$)/\1\2/' >"$mutant_results"
	grep -q "oom_mut: $number is on" "$run.console" ||
		die "the guest did not say that mutant $number is on: $run.console"
	! grep -q "oom_mut: $number reached" "$run.console" || reached=reached
}

# suites_of TESTS: "SUITE [TEST...]" a line, of a list with commas.
suites_of() {
	tr , '\n' <<<"$1" | awk -F. '
		!($1 in tests) { order[++n] = $1 }
		{ test = substr($0, length($1) + 2); tests[$1] = tests[$1] (test == "" ? "" : " " test) }
		END { for (i = 1; i <= n; i++) print order[i] tests[order[i]] }'
}

# run_sane KERNEL TESTS: with no mutant on every test has to pass.
run_sane() {
	local kernel=$1 name tests begun kind test detail reached=''

	while read -r -u 4 name tests; do
		begun=$SECONDS
		# shellcheck disable=SC2086
		run_mutant_tests 0 "$kernel" "$name" '' $tests
		sane_seconds[$kernel.$name]=$((SECONDS - begun))
		while read -r kind test detail; do
			[ "$kind" = fail ] || continue
			# What the guest or its log has against it may come of any of them.
			[[ $test != "$name" && $test != "$name".@(guest|log) ]] || insane[$kernel.$name]=1
			mutant_verdict fail FAILED "$test fails with no mutant on: $detail"
		done <"$mutant_results"
		grep -q '^pass ' "$mutant_results" || insane[$kernel.$name]=1
		cp "$mutant_results" "$log/mutants-sane-$kernel-$name"
	done 4< <(suites_of "$2")
}

# tests_are_sane KERNEL SUITE [TEST...]: tests of which a variant failed, or not one
# passed, with no mutant on say nothing.
tests_are_sane() {
	local kernel=$1 name=$2 test

	shift 2
	[ -z "${insane[$kernel.$name]-}" ] || return 1
	for test; do
		# A fixture with the suite's name is not repeated: see ktap.awk.
		test=${test#"$name."}
		grep -qE "^pass $name\.([^ ]*\.)?$test( |$)" "$log/mutants-sane-$kernel-$name" || return 1
		! grep -qE "^fail $name\.([^ ]*\.)?$test( |$)" "$log/mutants-sane-$kernel-$name" || return 1
	done
}

# run_mutant N
run_mutant() {
	local number=$1 name tests by='' unfit='' reached='' begun=$SECONDS limit line
	local -A mutant

	read_mutant "$number"
	while read -r -u 4 name tests; do
		# shellcheck disable=SC2086
		tests_are_sane "${mutant[kernel]}" "$name" $tests || {
			unfit="$name${tests:+: $tests}"
			continue
		}
		# A test that waits in vain takes longer; one that hangs is not waited for.
		limit=$((sane_seconds[${mutant[kernel]}.$name] * 3 + 45))
		# shellcheck disable=SC2086
		run_mutant_tests "$number" "${mutant[kernel]}" "$name" "$limit" $tests
		by=$(grep -m1 '^fail ' "$mutant_results" | cut -d' ' -f2) || :
		[ -z "$by" ] || break
	done 4< <(suites_of "${mutant[tests]}")
	line="$number: ${mutant[what]}"
	if [ -n "$by" ] && [ -n "$reached" ]; then
		mutant_verdict pass killed "$line [$by, $((SECONDS - begun)) s]"
	elif [ -n "$by" ]; then
		mutant_verdict fail FAILED "$line [$by failed, but the mutant was never reached]"
	elif [ -n "$unfit" ]; then
		mutant_verdict fail FAILED "$line [$unfit: failed or was skipped with no mutant on]"
	else
		mutant_verdict fail ALIVE "$line [${mutant[tests]}: passed, and the mutant was ${reached:-never reached}; $((SECONDS - begun)) s]"
	fi
}

# run_mutants ALL N...
run_mutants() {
	local all=$1 n kernel chosen='' tests mutant_results=$log/mutant-results verdict_fd
	local -A mutant

	shift
	check_mutant_table
	: >"$log/mutants.log"
	exec {verdict_fd}>&1
	at_exit verdict mutants_broken_off
	# Those that are not run are named first, and need no kernel.
	for n; do
		read_mutant "$n"
		if [ "${mutant[tests]}" = equivalent ]; then
			mutant_verdict skip skipped "$n: ${mutant[what]}"
		elif [ "${mutant[kernel]}" = mutants_debug ] && [ -z "$all" ]; then
			mutant_verdict skip skipped "$n: ${mutant[what]} [needs the debug kernel: --all]"
		else
			chosen+="${mutant[kernel]} $n ${mutant[tests]}"$'\n'
		fi
	done
	# shellcheck disable=SC2119 # nothing but what every guest needs
	[ -z "$chosen" ] || needs_guest
	for kernel in mutants mutants_debug; do
		tests=$(awk -v k="$kernel" '$1 == k { print $3 }' <<<"$chosen" | tr , '\n' | sort -u | paste -sd,)
		[ -n "$tests" ] || continue
		prepare_kernel "$kernel"
		say "with no mutant on: ${tests//,/ }"
		run_sane "$kernel" "$tests"
		while read -r -u 5 n; do
			run_mutant "$n"
		done 5< <(awk -v k="$kernel" '$1 == k { print $2 }' <<<"$chosen")
	done
	forget verdict
	exec {verdict_fd}>&-
	verdict
	[ "${test_run[failed]}" -eq 0 ]
}
