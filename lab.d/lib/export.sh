# shellcheck shell=bash
# Real, mailable patches out of the kept ones.
use commits

# export_series DIR SIGNOFF
export_series() {
	local dir=$1 signoff=$2 work old name

	scratch_dir work export
	owners "$work/owners" || return 1
	mini_repo "$work/repo" "$work/owners" || return 1
	drop_adds "$work/repo"
	mkdir -p "$work/out" "$dir"
	if [ -n "$signoff" ]; then
		export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
		GIT_COMMITTER_NAME=$(git config user.name)
		GIT_COMMITTER_EMAIL=$(git config user.email)
	fi
	lab_git -C "$work/repo" format-patch -q --numbered --zero-commit --no-signature --no-renames \
		--stat=75 --abbrev=12 ${signoff:+--signoff} -o "$work/out" refs/lab/base
	(cd "$work/out" && printf '%s\n' [0-9]*.patch) >"$work/out/series"
	cover_letter "$work/repo" >"$work/out/0000-cover-letter.patch"
	# Only what an earlier export has written there is replaced.
	for name in $(cd "$work/out" && echo *.patch); do
		[ ! -e "$dir/$name" ] || [ -e "$dir/series" ] || {
			say "$dir/$name is there already and was not written by lab series"
			return 1
		}
	done
	if [ -e "$dir/series" ]; then
		while read -r old; do
			[[ $old != [0-9]*.patch ]] || rm -f "$dir/$old"
		done <"$dir/series"
	fi
	cp "$work/out"/* "$dir/"
	rm -rf "$work"
}

# The trailers are ours; the commits that are mailed go without.
drop_adds() {
	local dir=$1 commit parent tree name email date

	parent=$(lab_git -C "$dir" rev-parse refs/lab/base)
	for commit in $(lab_git -C "$dir" rev-list --reverse refs/lab/base..HEAD); do
		tree=$(lab_git -C "$dir" rev-parse "$commit^{tree}")
		{
			read -r name
			read -r email
			read -r date
		} < <(lab_git -C "$dir" log -1 --format='%an%n%ae%n%aD' "$commit")
		parent=$(lab_git -C "$dir" log -1 --format=%B "$commit" | sed '/^Adds: /d' | lab_git stripspace |
			GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
				GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
				lab_git -C "$dir" commit-tree -p "$parent" "$tree")
	done
	lab_git -C "$dir" update-ref HEAD "$parent"
}

# The text comes from patches/6.12/cover-letter.txt: a first line for the
# subject, an empty one, and the rest.
cover_letter() {
	local dir=$1 text=$patches/cover-letter.txt count

	count=$(lab_git -C "$dir" rev-list --count refs/lab/base..HEAD)
	printf 'From %040d Mon Sep 17 00:00:00 2001\n' 0
	if [ -n "${GIT_COMMITTER_NAME-}" ]; then
		printf 'From: %s <%s>\n' "$GIT_COMMITTER_NAME" "$GIT_COMMITTER_EMAIL"
	else
		# As git encodes it for mail.
		lab_git -C "$dir" log -1 --format=email HEAD | sed -n '/^From: /,/^Date: /{/^Date: /!p}'
	fi
	lab_git -C "$dir" log -1 --format='Date: %aD' HEAD
	printf 'Subject: [PATCH %0*d/%d] %s\n' "${#count}" 0 "$count" \
		"$(head -n 1 "$text" 2>/dev/null || echo 'mm, oom: the oom_reaper series')"
	printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n'
	if [ -e "$text" ]; then
		sed 1,2d "$text"
		echo
	fi
	printf 'Based on Linux %s.\n\n' "$(base_version)"
	lab_git -C "$dir" shortlog --no-merges refs/lab/base..HEAD </dev/null
	lab_git -C "$dir" diff --stat=72 --summary --no-renames refs/lab/base HEAD
}
