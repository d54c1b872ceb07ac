# shellcheck shell=bash
# Parts of a series: their way to commits and back, their order, their mails.
use fixture save-commits export

# parts_fixture: a series of three in two parts, as the repository that is meant.
parts_fixture() {
	make_fixture "$work/repo" || return
	repo=$work/repo patches=$work/repo/patches/6.12
	printf '# comment\n\nfirst\nsecond RFC\nthird\n' >"$patches/parts"
	sed -i -e '1i # Made on Linux '"$(base_version)"'\n\n# part: first' -e '3i \\n# part: second' "$patches/series"
	owners "$work/owners"
}

# fixture_branch: the series as commits in $work/git.
fixture_branch() {
	rm -rf "$work/git"
	mini_repo "$work/git" "$work/owners"
}

# part_refused PATTERN: the branch cannot be saved, and one line says why.
part_refused() {
	if save_commits "$work/git" "$work/refused" 2>"$work/err"; then
		echo "taken, but: $1"
		bad=1
	elif [ "$(grep -c '' "$work/err")" -ne 1 ] || ! grep -q "^lab: .*$1" "$work/err"; then
		printf 'not one line about "%s":\n' "$1"
		cat "$work/err"
		bad=1
	fi
}

# sections_refused PATTERN PART...: a series of these parts, a patch each.
sections_refused() {
	local said pattern=$1

	shift
	said=$(printf '%s a.patch\n' "$@" | parts_complaints) || :
	grep -q "$pattern" <<<"$said" || {
		printf 'parts %s: "%s", not "%s"\n' "$*" "$said" "$pattern"
		bad=1
	}
}

# edit_messages SCRIPT: sed's, for the commits' messages.
edit_messages() {
	FILTER_BRANCH_SQUELCH_WARNING=1 lab_git -C "$work/git" -c user.name=a -c user.email=a@example.org \
		filter-branch -f --msg-filter "sed -e '$1'" refs/lab/base..HEAD >"$work/err" 2>&1 || cat "$work/err"
}

# Each part is mailed by itself, and one after the other they make the whole.
parts_are_mailable() {
	local part

	for part in first second; do
		export_series "$work/$part" '' "$part" || return
	done
	grep -q '^Subject: \[PATCH 0/2\] the first' "$work/first/0000-cover-letter.patch" &&
		grep -q '^Subject: \[PATCH RFC 0/1\] mm, oom: the oom_reaper series, second' "$work/second/0000-cover-letter.patch" &&
		grep -q '^Subject: \[PATCH RFC 1/1\] selftests: third' "$work/second"/0001-* || {
		echo 'subjects:'
		grep -h '^Subject: ' "$work"/{first,second}/*.patch
		bad=1
	}
	grep -q '^and on "the first" (2 patches)' "$work/second/0000-cover-letter.patch" &&
		! grep -q '^and on ' "$work/first/0000-cover-letter.patch" || {
		echo 'the cover letters do not say what the parts stand on'
		bad=1
	}
	if grep -lE '^(Adds|Part): ' "$work"/{first,second}/*.patch; then
		echo 'still carry our trailers'
		bad=1
	fi
	mini_base "$work/bare"
	commit_base "$work/bare"
	lab_git -C "$work/bare" -c user.name=a -c user.email=a@example.org am -q --empty=drop \
		"$work"/first/*.patch "$work"/second/*.patch || return
	lab_git -C "$work/bare" fetch -q "$work/git" HEAD
	lab_git -C "$work/bare" diff --exit-code --stat HEAD FETCH_HEAD
}

check lab.parts quick
check_lab_parts() {
	local bad=0

	scratch
	parts_fixture || return
	printf 'the first\n\nText.\n' >"$(cover_text first)"
	fixture_branch || return
	[ "$(lab_git -C "$work/git" log --format=%b | grep '^Part: ' | paste -sd' ')" = 'Part: second Part: first Part: first' ] || {
		echo 'the commits do not say which part they belong to'
		bad=1
	}
	save_commits "$work/git" "$work/saved" || return
	rm -f "$work/saved/.own" "$work/saved/patches/6.12"/cover-*
	diff -r -x parts -x 'cover-letter*' "$work/saved" "$repo" || bad=1
	parts_are_mailable || bad=1

	# A commit that says nothing belongs to the part before it.
	lab_git -C "$work/git" -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m 'mm: no part'
	save_commits "$work/git" "$work/inherited" || bad=1
	[ "$(sed -n '/part: second/,$p' "$work/inherited/patches/6.12/series" | grep -c patch)" -eq 2 ] || {
		echo 'a commit without a part is not in the part before it'
		bad=1
	}
	# What makes no sense is said in a line.
	fixture_branch
	edit_messages 's/^Part: first/Part: third/'
	part_refused 'third", of part second, stands after part third'
	fixture_branch
	edit_messages 's/^Part: first/Part: nowhere/'
	part_refused 'part "nowhere" is not in patches/6.12/parts'
	fixture_branch
	edit_messages 's/^Part: first/Part: second\nPart: first/'
	part_refused 'more than one part: first, second'
	fixture_branch
	edit_messages '/^Part: first/d'
	part_refused 'belongs to no part'
	fixture_branch
	edit_messages '/^Part: /d'
	part_refused 'no commit says to which part'
	sections_refused 'stands after part second' first second first
	sections_refused 'is not in' first fourth
	sections_refused 'belongs to no part' - first
	[ -z "$(printf '%s a.patch\n' first second third | parts_complaints)" ] || bad=1
	sed -i '$a # part: third' "$patches/series"
	! sections_complaints >"$work/said" && grep -q 'part third has no patch' "$work/said" || bad=1
	return $bad
}
