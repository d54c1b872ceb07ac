# shellcheck shell=bash
# Patches into commits; save-commits.sh is the other direction.
use apply parts

# commit_patch PATCH DIR PART: commits DIR's index with the author, date and message of
# the patch.
commit_patch() {
	local patch=$1 dir=$2 part=$3 info message name email date

	info=$dir/.git/lab-info
	message=$dir/.git/lab-message
	lab_git mailinfo "$message" /dev/null <"$patch" >"$info"
	name=$(sed -n 's/^Author: //p' "$info")
	email=$(sed -n 's/^Email: //p' "$info")
	date=$(sed -n 's/^Date: //p' "$info")
	{
		sed -n 's/^Subject: //p' "$info"
		[ ! -s "$message" ] || { echo && cat "$message"; }
	} | with_part "$part" >"$message.full"
	GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
		GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
		lab_git -C "$dir" -c core.hooksPath=/dev/null -c commit.gpgSign=false \
		commit -q --allow-empty --cleanup=whitespace -F "$message.full"
}

# commit_base DIR: makes DIR a repository whose one commit is what lies there.
commit_base() {
	local dir=$1

	lab_git -C "$dir" init -q -b oom_reaper
	printf '/.lab-*\n' >"$dir/.git/info/exclude"
	lab_git -C "$dir" config core.fileMode true
	lab_git -C "$dir" -c core.compression=1 add -f -A .
	GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost GIT_AUTHOR_DATE='2024-11-17T22:15:08+0000' \
		GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost GIT_COMMITTER_DATE='2024-11-17T22:15:08+0000' \
		lab_git -C "$dir" commit -q --allow-empty -m "Linux $(base_version)"
	lab_git -C "$dir" update-ref refs/lab/base HEAD
}

# commit_series DIR OWNERS: one commit per patch on top of DIR's HEAD.
commit_series() {
	local dir=$1 list=$2 part patch owner path

	while read -r -u 4 part patch; do
		apply_patch "$dir" "$patches/$patch" 0 || return 1
		for path in $(patch_touches "$patches/$patch"); do
			lab_git -C "$dir" add -A -f -- "$path"
		done
		while read -r owner path; do
			[ "$owner" = "$patch" ] || continue
			copy_own "$repo" "$dir" "$path"
			lab_git -C "$dir" add -f -- "$path"
		done <"$list"
		commit_patch "$patches/$patch" "$dir" "$part"
	done 4< <(series_list >/dev/null && series_parts)
	lab_git -C "$dir" update-ref refs/lab/series HEAD
}

# mini_repo DIR OWNERS: base and series as commits, with nothing else in it.
mini_repo() {
	mini_base "$1"
	commit_base "$1"
	# What stands behind the @@ of a hunk depends on them.
	[ ! -e "$base/.gitattributes" ] || cp "$base/.gitattributes" "$1/.git/info/attributes"
	commit_series "$1" "$2"
}
