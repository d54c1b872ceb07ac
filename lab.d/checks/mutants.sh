# shellcheck shell=bash
# lab test mutants: ten of the bugs that a test must notice. They take some five minutes.

check mutants.sample all
check_mutants_sample() {
	local status=0

	# Which ones, the commit says.
	"$top/lab" mutants --sample 10 || status=$?
	[ $status -eq 0 ] || tail -n 20 "$log/mutants.log"
	return $status
}
