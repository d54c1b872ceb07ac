# shellcheck shell=bash
# The shell files, as shellcheck sees them.

shell_files() {
	(cd "$top" && {
		printf '%s\n' lab lab.d/guest/init .ci/run
		find lab.d -name '*.sh'
		own_files | grep '\.sh$' || :
	})
}

check lab.shellcheck quick
check_lab_shellcheck() {
	local bad=0

	need shellcheck:shellcheck
	cd "$top" || return
	# Each file by itself: following what they source takes ten times as long.
	# shellcheck disable=SC2046
	shellcheck -e SC1091 $(shell_files | grep -vx lab.d/guest/init) || bad=1
	shellcheck -s dash lab.d/guest/init || bad=1
	return $bad
}
