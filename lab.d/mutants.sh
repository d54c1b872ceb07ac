# shellcheck shell=bash
# lab mutants: does a test notice when the code is wrong? One kernel has every
# mutant of lab.d/mutants/table, and oom_mut= on its command line chooses one.
# shellcheck source=lab.d/guest.sh
. "$top/lab.d/guest.sh"
# shellcheck source=lab.d/scenario.sh
. "$top/lab.d/scenario.sh"

mutants=$top/lab.d/mutants
mutant_files=$build/mutant-files

mutants_help() {
	cat <<-'H'
		usage: lab mutants [OPTION...] [N...]

		Builds a kernel with every small bug of lab.d/mutants/table in it, boots it once for
		each, runs the tests that must notice, and prints "killed" or "ALIVE". Ends on
		"N passed, N failed, N skipped"; exit status 0 only if none failed. N is a mutant's
		number; without one, all that need no debug kernel.

		A mutant is killed by a test that fails, a guest that hangs or panics, or a complaint
		in the kernel's log. First the same tests run with no mutant on, and must pass.

		--all            those that need the debug kernel, too
		--sample K       K of them, chosen by the commit
		--seed S         with --sample: chosen by S
		--list           what is broken, and which tests must notice
		--tree           write the mutated files to build/mutant-files, to work on them
		--save           make lab.d/mutants/mutants.patch of what is there
		--verbose        what the tests print, too
	H
}

# mutant_rows [NUMBER]: "NUMBER TESTS WHAT", the table without its comments.
mutant_rows() {
	awk -v n="${1-}" '$1 !~ /^#/ && NF && (n == "" || $1 == n)' "$mutants/table"
}

# mutant N: sets m_tests, a list with commas, m_kernel and m_what.
mutant() {
	local row

	row=$(mutant_rows "$1")
	[ -n "$row" ] || refuse "no mutant $1: lab mutants --list shows them"
	read -r _ m_tests m_what <<<"$row"
	m_kernel=mutants
	if [[ $m_tests == debug:* ]]; then
		m_tests=${m_tests#debug:}
		m_kernel=mutants_debug
	fi
}

# What the table says must make sense before anything is built.
check_mutant_table() {
	local n tests test name dup

	dup=$(mutant_rows | cut -d' ' -f1 | sort | uniq -d | head -n 1)
	[ -z "$dup" ] || die "lab.d/mutants/table has mutant $dup twice"
	while read -r n tests _; do
		[[ $n =~ ^[1-9][0-9]*$ ]] || die "lab.d/mutants/table: \"$n\" is no number"
		[ "$tests" != equivalent ] || continue
		for test in ${tests//,/ }; do
			test=${test#debug:}
			name=${test%%.*}
			scenario_names | grep -xF "$name" >/dev/null || die "lab.d/mutants/table: mutant $n names $test, and there is no program $name"
			[ "$test" != "$name" ] || continue
			scenario "$name"
			scenario_tests | grep -xF "${test##*.}" >/dev/null || die "lab.d/mutants/table: mutant $n names $test, and there is no such test"
		done
	done < <(mutant_rows | tr -s '\t' ' ')
}

# apply_mutants DIR: the patch, and what it calls. Each mutant must still have a place.
apply_mutants() {
	local dir=$1 patch=$mutants/mutants.patch path out failed number

	for path in $(patch_touches "$patch"); do
		[ ! -e "$dir/$path" ] && [ -e "$base/$path" ] || continue
		mkdir -p "$dir/$(dirname "$path")"
		cp --preserve=mode "$base/$path" "$dir/$path"
	done
	mkdir -p "$dir/include/linux" "$dir/mm"
	cp "$mutants/oom_mut.h" "$dir/include/linux/"
	cp "$mutants/oom_mut.c" "$dir/mm/"
	if ! out=$(patch -d "$dir" -p1 -f --no-backup-if-mismatch -r - -i "$patch" 2>&1); then
		# Which mutants the hunks are that have no place any more.
		failed=$(awk '
			NR == FNR {
				if (/^(patching|can.t find) file /) file = $3
				if (/^Hunk #.* FAILED/) { sub("#", "", $2); bad[file, $2] = 1 }
				next
			}
			/^\+\+\+ / { file = substr($2, 3); hunk = 0 }
			/^@@ / { hunk++ }
			/^\+/ && ((file, hunk) in bad) {
				line = $0
				while (match(line, /oom_mut\([0-9]+\)/)) {
					print substr(line, RSTART + 8, RLENGTH - 9), file
					line = substr(line, RSTART + RLENGTH)
				}
			}' <(printf '%s\n' "$out") "$patch" | sort -un)
		while read -r number path; do
			mutant "$number"
			say "mutant $number has no place in $path any more: $m_what"
		done <<<"$failed"
		[ -n "$failed" ] || say "lab.d/mutants/mutants.patch does not apply: $(head -n 1 <<<"$out")"
		[ -n "${mutants_forgive-}" ] || return 1
	fi
	out=$(grep -rhoE 'oom_mut\([0-9]+\)' "$dir" | tr -dc '0-9\n' | sort -u)
	failed=$(comm -3 <(mutant_rows | cut -d' ' -f1 | sort -u) <(printf '%s\n' "$out") | tr -d '\t' | paste -sd ' ')
	[ -z "$failed" ] || {
		say "lab.d/mutants: the table and the code do not have the same mutants: $failed"
		[ -n "${mutants_forgive-}" ] || return 1
	}
}

update_mutants() {
	local fd

	lock mutants fd
	update_tree "$build/mutants"
	unlock fd
}

# --tree: plain copies to edit; the files of a kernel tree are hard links.
write_mutant_files() {
	local path

	mutants_forgive=1
	update_patched
	rm -rf "$mutant_files"
	mkdir -p "$mutant_files"
	for path in $(patch_touches "$mutants/mutants.patch"); do
		mkdir -p "$mutant_files/$(dirname "$path")"
		cp --preserve=mode "$build/patched/$path" "$mutant_files/$path"
	done
	apply_mutants "$mutant_files"
	rm "$mutant_files/include/linux/oom_mut.h" "$mutant_files/mm/oom_mut.c"
	say "edit what is in $mutant_files, add files from build/patched as needed, then: lab mutants --save"
}

save_mutant_files() {
	local path

	[ -d "$mutant_files" ] || refuse "there is no $mutant_files: lab mutants --tree makes it"
	update_patched
	(cd "$mutant_files" && find . -type f -printf '%P\n') | sort | while read -r path; do
		diff -u --label "a/$path" --label "b/$path" "$build/patched/$path" "$mutant_files/$path" || :
	done >"$mutants/mutants.patch.new"
	mv "$mutants/mutants.patch.new" "$mutants/mutants.patch"
}

passed=0 failed=0 skipped=0
test_seconds='' verbose=''
mutant_results=''

# What the tests of scenario.sh report here is not the verdict, but what it is made of.
result() {
	local kind=$1 name=$2

	shift 2
	printf '%s %s %s\n' "$kind" "${name/@mutants_debug/}" "$*" | sed 's/@mutants//' >>"$mutant_results"
	[ -z "$verbose" ] || printf '        %s %s%s\n' "$kind" "$name" "${*:+: $*}"
}

verdict() {
	verdict_due=
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
}

mutants_broken_off() {
	[ -n "${verdict_due-}" ] || return 0
	failed=$((failed + 1))
	# It may be a guest that was ended, whose words go into the log.
	echo 'FAILED  the run broke off' >&"$verdict_fd"
	verdict >&"$verdict_fd"
}

# run_mutant_tests N KERNEL SCENARIO TEST...: sets mutant_results to a file of
# their results, and reached to whether the mutant's place was.
run_mutant_tests() {
	local n=$1 kernel=$2 name=$3 console=$log/mutant-$1-$3.console

	shift 3
	scenario_append="oom_mut=$n"
	: >"$mutant_results"
	# The words of the third argument are the tests; none: all of them.
	run_scenario "$name" "$kernel" "$*" 2>>"$log/mutants.log" >>"$log/mutants.log"
	cp "$g_console" "$console"
	cp "$g_out" "${console%.console}.out"
	[ "$n" = 0 ] || grep -q "oom_mut: $n is on" "$console" ||
		die "the guest did not say that mutant $n is on: $console"
	! grep -q "oom_mut: $n reached" "$console" || reached=yes
}

# scenarios_of TESTS: "SCENARIO TEST..." a line, of a list with commas.
scenarios_of() {
	tr , '\n' <<<"$1" | awk -F. '
		!($1 in tests) { order[++n] = $1 }
		{ test = substr($0, length($1) + 2); tests[$1] = tests[$1] (test == "" ? "" : " " test) }
		END { for (i = 1; i <= n; i++) print order[i] tests[order[i]] }'
}

# Seconds that a scenario's tests took with no mutant on, and what was not fit to
# judge a mutant by.
declare -A sane_seconds insane

# run_sane KERNEL TESTS: with no mutant on every test has to pass.
run_sane() {
	local kernel=$1 name tests begun kind test detail

	while read -r -u 4 name tests; do
		begun=$SECONDS
		# shellcheck disable=SC2086
		run_mutant_tests 0 "$kernel" "$name" $tests
		sane_seconds[$kernel.$name]=$((SECONDS - begun))
		while read -r kind test detail; do
			[ "$kind" != fail ] || {
				insane[$kernel.$name]=1
				failed=$((failed + 1))
				printf 'FAILED  %s fails with no mutant on: %s\n' "$test" "$detail"
			}
		done <"$mutant_results"
		grep -q '^pass ' "$mutant_results" || insane[$kernel.$name]=1
		cp "$mutant_results" "$log/mutants-sane-$kernel-$name"
	done 4< <(scenarios_of "$(tr ' ' '\n' <<<"$2" | tr , '\n' | sort -u | paste -sd,)")
}

# Tests of which not one variant passed with no mutant on say nothing.
test_is_sane() {
	local kernel=$1 name=$2 test

	shift 2
	[ -z "${insane[$kernel.$name]-}" ] || return 1
	for test; do
		grep -qE "^pass $name\.([^ ]*\.)?$test( |$)" "$log/mutants-sane-$kernel-$name" || return 1
	done
}

# run_mutant N
run_mutant() {
	local n=$1 name tests by='' reached='' begun=$SECONDS line

	mutant "$n"
	while read -r -u 4 name tests; do
		# shellcheck disable=SC2086
		test_is_sane "$m_kernel" "$name" $tests || {
			by="unfit $name${tests:+: $tests}"
			continue
		}
		# A test that waits in vain takes longer; one that hangs is not waited for.
		scenario_limit=$((sane_seconds[$m_kernel.$name] * 3 + 45))
		# shellcheck disable=SC2086
		run_mutant_tests "$n" "$m_kernel" "$name" $tests
		scenario_limit=''
		by=$(grep -m1 '^fail ' "$mutant_results") && break
		by=
	done 4< <(scenarios_of "$m_tests")
	line="$n: $m_what"
	case $by in
	fail\ *)
		by=$(cut -d' ' -f2 <<<"$by")
		if [ -n "$reached" ]; then
			passed=$((passed + 1))
			printf 'killed  %s [%s, %d s]\n' "$line" "$by" $((SECONDS - begun))
			return
		fi
		printf 'FAILED  %s [%s failed, but the mutant was never reached]\n' "$line" "$by"
		;;
	unfit\ *) printf 'FAILED  %s [%s: failed or was skipped with no mutant on]\n' "$line" "${by#unfit }" ;;
	*) printf 'ALIVE   %s [%s: passed, and the mutant was %s; %d s]\n' "$line" "$m_tests" "$([ -n "$reached" ] && echo reached || echo 'never reached')" $((SECONDS - begun)) ;;
	esac
	failed=$((failed + 1))
}

list_mutants() {
	local n tests what

	while read -r n tests what; do
		printf '%3d %s\n    %s\n' "$n" "$what" "${tests//,/ }"
	done < <(mutant_rows | tr -s '\t' ' ')
}

# mutant_sample K SEED: of those that the plain kernel can show.
mutant_sample() {
	local n

	for n in $(mutant_rows | awk '$2 != "equivalent" && $2 !~ /^debug:/ { print $1 }'); do
		printf '%s %d\n' "$(printf '%s %d' "$2" "$n" | sha256sum | cut -c1-16)" "$n"
	done | sort | head -n "$1" | cut -d' ' -f2 | sort -n
}

cmd_mutants() {
	local numbers=() n all='' sample='' seed='' action=run kernel chosen='' tests

	while [ $# -gt 0 ]; do
		case $1 in
		--help) mutants_help && return ;;
		--all) all=1 ;;
		--verbose) verbose=1 ;;
		--list | --tree | --save) action=${1#--} ;;
		--sample)
			value_of "$1" $#
			is_number "$2" "$1" 1 1000
			sample=$2
			shift
			;;
		--seed)
			value_of "$1" $#
			seed=$2
			shift
			;;
		-*) refuse "lab mutants knows no \"$1\"" ;;
		*)
			is_number "$1" 'a mutant' 1 9999
			numbers+=("$((10#$1))")
			;;
		esac
		shift
	done
	[ -z "$seed" ] || [ -n "$sample" ] || refuse 'lab mutants: --seed is for --sample'
	[ -z "$sample" ] || [ ${#numbers[@]} -eq 0 ] || refuse 'lab mutants takes --sample or numbers, not both'
	for n in ${numbers[@]+"${numbers[@]}"}; do mutant "$n"; done
	case $action in
	list) list_mutants && return ;;
	tree) fetch_base && write_mutant_files && return ;;
	save) fetch_base && save_mutant_files && return ;;
	esac
	if [ -n "$sample" ]; then
		mapfile -t numbers < <(mutant_sample "$sample" "${seed:-$(lab_git -C "$repo" rev-parse HEAD 2>/dev/null)}")
	elif [ ${#numbers[@]} -eq 0 ]; then
		mapfile -t numbers < <(mutant_rows | cut -d' ' -f1 | sort -n)
	else
		all=1
	fi
	check_mutant_table
	mutant_results=$log/mutant-results
	: >"$log/mutants.log"
	verdict_due=1
	exec {verdict_fd}>&1
	at_exit mutants_broken_off
	# Those that are not run are told first, and do not build a kernel.
	for n in "${numbers[@]}"; do
		mutant "$n"
		if [ "$m_tests" = equivalent ]; then
			skipped=$((skipped + 1))
			printf 'skipped %d: %s\n' "$n" "$m_what"
		elif [ "$m_kernel" = mutants_debug ] && [ -z "$all" ]; then
			skipped=$((skipped + 1))
			printf 'skipped %d: %s [needs the debug kernel: --all]\n' "$n" "$m_what"
		else
			chosen+="$m_kernel $n $m_tests"$'\n'
		fi
	done
	# shellcheck disable=SC2119
	[ -z "$chosen" ] || needs_guest
	for kernel in mutants mutants_debug; do
		tests=$(awk -v k="$kernel" '$1 == k { print $3 }' <<<"$chosen" | paste -sd ' ')
		[ -n "$tests" ] || continue
		prepare_kernel "$kernel"
		say "with no mutant on: $(tr , '\n' <<<"${tests// /,}" | sort -u | paste -sd ' ')"
		run_sane "$kernel" "$tests"
		while read -r -u 5 n; do
			run_mutant "$n"
		done 5< <(awk -v k="$kernel" '$1 == k { print $2 }' <<<"$chosen")
	done
	verdict
	[ "$failed" -eq 0 ]
}
