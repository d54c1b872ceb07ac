# shellcheck shell=bash
# lab mutants: does a test notice when the code is wrong?
use run-mutants

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
		--sample K       K of those that are killed quickly, chosen by the commit
		--seed S         with --sample: chosen by S
		--list           what is broken, and which tests must notice
		--tree           write the mutated files to build/mutant-files, to work on them
		--save           make lab.d/mutants/mutants.patch of what is there
		--verbose        the results of the tests, too
	H
}

cmd_mutants() {
	local numbers=() n all='' sample='' seed='' action=run
	local -A mutant

	while [ $# -gt 0 ]; do
		case $1 in
		--help) mutants_help && return ;;
		--all) all=1 ;;
		--verbose) test_run[verbose]=1 ;;
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
	for n in ${numbers[@]+"${numbers[@]}"}; do read_mutant "$n"; done
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
	run_mutants "$all" "${numbers[@]}"
}
