# shellcheck shell=bash
# Real, mailable patches out of the kept ones.
use commits parts

# export_series DIR SIGNOFF PART: all of the series, or one part of it.
export_series() {
	local dir=$1 signoff=$2 part=$3 work old name from=refs/lab/base

	scratch_dir work export
	owners "$work/owners" || return 1
	mini_repo "$work/repo" "$work/owners" || return 1
	drop_marks "$work/repo"
	[ -z "$part" ] || cut_part "$work/repo" "$part"
	mkdir -p "$work/out" "$dir"
	if [ -n "$signoff" ]; then
		export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
		GIT_COMMITTER_NAME=$(git config user.name)
		GIT_COMMITTER_EMAIL=$(git config user.email)
	fi
	lab_git -C "$work/repo" format-patch -q --subject-prefix="$(part_word "$part")" --numbered --zero-commit --no-signature --no-renames \
		--stat=75 --abbrev=12 ${signoff:+--signoff} -o "$work/out" "$from"
	(cd "$work/out" && printf '%s\n' [0-9]*.patch) >"$work/out/series"
	cover_letter "$work/repo" "$from" "$part" >"$work/out/0000-cover-letter.patch"
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

# cut_part REPO PART: REPO's HEAD becomes the end of PART; sets from to where it begins.
cut_part() {
	local before count

	before=$(series_parts | awk -v part="$2" '$1 == part { exit } { n++ } END { print n + 0 }')
	count=$(part_patches "$2" | wc -l)
	lab_git -C "$1" rev-list --reverse refs/lab/base..HEAD >"$1/.git/lab-commits"
	[ "$before" -eq 0 ] || from=$(sed -n "${before}p" "$1/.git/lab-commits")
	lab_git -C "$1" update-ref HEAD "$(sed -n "$((before + count))p" "$1/.git/lab-commits")"
}

# The trailers are ours; the commits that are mailed go without.
drop_marks() {
	local dir=$1 commit parent tree name email date

	parent=$(lab_git -C "$dir" rev-parse refs/lab/base)
	for commit in $(lab_git -C "$dir" rev-list --reverse refs/lab/base..HEAD); do
		tree=$(lab_git -C "$dir" rev-parse "$commit^{tree}")
		{
			read -r name
			read -r email
			read -r date
		} < <(lab_git -C "$dir" log -1 --format='%an%n%ae%n%aD' "$commit")
		parent=$(lab_git -C "$dir" log -1 --format=%B "$commit" | sed -E '/^(Adds|Part): /d' | lab_git stripspace |
			GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
				GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
				lab_git -C "$dir" commit-tree -p "$parent" "$tree")
	done
	lab_git -C "$dir" update-ref HEAD "$parent"
}

# cover_letter REPO FROM PART: the text is in patches/6.12/cover-letter.txt, of a part in
# cover-letter-PART.txt: a first line for the subject, an empty one, and the rest.
cover_letter() {
	local dir=$1 from=$2 part=$3 text count

	text=$(cover_text "$part")
	count=$(lab_git -C "$dir" rev-list --count "$from..HEAD")
	printf 'From %040d Mon Sep 17 00:00:00 2001\n' 0
	if [ -n "${GIT_COMMITTER_NAME-}" ]; then
		printf 'From: %s <%s>\n' "$GIT_COMMITTER_NAME" "$GIT_COMMITTER_EMAIL"
	else
		# As git encodes it for mail.
		lab_git -C "$dir" log -1 --format=email HEAD | sed -n '/^From: /,/^Date: /{/^Date: /!p}'
	fi
	lab_git -C "$dir" log -1 --format='Date: %aD' HEAD
	printf 'Subject: [%s %0*d/%d] %s\n' "$(part_word "$part")" "${#count}" 0 "$count" "$(cover_subject "$part")"
	printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n'
	if [ -e "$text" ]; then
		sed 1,2d "$text"
		echo
	fi
	printf 'Based on Linux %s%s.\n\n' "$(base_version)" "$(after_parts "$part")"
	lab_git -C "$dir" shortlog --no-merges "$from..HEAD" </dev/null
	lab_git -C "$dir" diff --stat=72 --summary --no-renames "$from" HEAD
}

cover_text() { printf '%s/cover-letter%s.txt\n' "$patches" "${1:+-$1}"; }

cover_subject() {
	head -n 1 "$(cover_text "$1")" 2>/dev/null || echo "mm, oom: the oom_reaper series${1:+, $1}"
}

# after_parts PART: what a part stands on besides the kernel.
after_parts() {
	local part before=''

	while read -r part; do
		[ "$part" != "$1" ] || break
		before=$part
	done < <([ -z "$1" ] || series_parts | cut -d' ' -f1 | uniq)
	[ -z "$before" ] ||
		printf '\nand on "%s" (%d patches)' "$(cover_subject "$before")" "$(part_patches "$before" | wc -l)"
}
