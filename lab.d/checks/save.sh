# shellcheck shell=bash
# The way from patches to commits and back, on a series that has everything.
use fixture save-commits

# The way from patches to commits and back, on a series that has everything.
check lab.save quick
check_lab_save() {
	local bad=0

	scratch
	make_fixture "$work/repo" || return
	repo=$work/repo patches=$work/repo/patches/6.12
	owners "$work/owners" || return
	mini_repo "$work/git" "$work/owners" || return
	save_commits "$work/git" "$work/saved" || return
	rm -f "$work/saved/.own"
	sed -i "1i # Made on Linux $(base_version)" "$patches/series"
	diff -r "$work/saved" "$repo" || bad=1

	# An own file that a later commit changes belongs into the earlier one.
	echo '/* more */' >>"$work/git/mm/lab_fixture.c"
	lab_git -C "$work/git" -c user.name=a -c user.email=a@example.org commit -q -a -m 'mm: change it'
	save_commits "$work/git" "$work/saved2" 2>"$work/err" && bad=1
	grep -q 'fold it there' "$work/err" || {
		echo "a changed own file was not refused in a line: $(cat "$work/err")"
		bad=1
	}
	# A patch that does not fit is named with file and hunk.
	sed -i 's/^ #include.*/ nonsense/' "$patches"/0002*
	sed -i '0,/^ /s/^ .*/ nonsense/' "$patches"/0002*
	rm -rf "$work/git2"
	(mini_repo "$work/git2" "$work/owners") 2>"$work/err" && bad=1
	grep -q '0002.*oom_kill.c: hunk 1 ' "$work/err" || {
		echo "a hunk that fails is not named: $(cat "$work/err")"
		bad=1
	}
	# Files without a patch and patches without their file are told apart.
	rm "$repo/mm/lab_fixture.c"
	echo >"$repo/mm/orphan.c"
	owners "$work/owners" 2>"$work/err" && bad=1
	grep -q 'adds mm/lab_fixture.c, and there is no such file' "$work/err" &&
		grep -q 'mm/orphan.c belongs to no patch' "$work/err" || {
		echo "missing and orphaned files: $(cat "$work/err")"
		bad=1
	}
	return $bad
}
