# shellcheck shell=bash
# lab save: the branch back into patches/ and our own files.
use series save-commits

tree=$build/tree

save_help() {
	cat <<-'H'
		usage: lab save [--force]

		Writes the commits of build/tree back: each as a patch of patches/6.12, and the
		files that it adds as our own files. Says which files changed. What a commit adds
		gets a line "Adds: PATH" in its patch's message. Of the lines "Part: NAME" it makes the
		sections of patches/6.12/series; a commit without one belongs to the part before it.

		--force  also when patches/ or our own files were changed since lab tree,
		         which overwrites those changes
	H
}

# put_back FROM: FROM's patches and own files take the place of the repository's.
put_back() {
	local from=$1 path old

	owners "$from/.old" 2>/dev/null || :
	old=$({
		cut -d' ' -f2 "$from/.old"
		series_list | sed 's|^|patches/6.12/|'
	} | sort -u)
	rm "$from/.old"
	(cd "$from" && find . -type f -not -name '.own' -printf '%P\n') | sort | while read -r path; do
		cmp -s "$from/$path" "$repo/$path" &&
			[ "$(stat -c %a "$from/$path")" = "$(stat -c %a "$repo/$path")" ] && continue
		say "writes $path"
		mkdir -p "$(dirname "$repo/$path")"
		cp --preserve=mode "$from/$path" "$repo/$path"
	done
	for path in $old; do
		[ ! -e "$from/$path" ] || continue
		say "removes $path"
		rm -f "${repo:?}/$path"
	done
	if [ ! -e "$from/patches/6.12/series" ]; then
		rm -f "$patches/series"
	fi
}

cmd_save() {
	local force='' fd out

	while [ $# -gt 0 ]; do
		case $1 in
		--help) save_help && return ;;
		--force) force=1 ;;
		*) refuse "lab save knows no \"$1\"" ;;
		esac
		shift
	done
	need git:git
	[ -e "$tree/.git/lab-taken" ] || refuse "there is no build/tree to save: lab tree makes it"
	fetch_base
	lock tree fd
	[ -z "$(lab_git -C "$tree" status --porcelain | head -n 1)" ] ||
		die "build/tree has changes that are not committed: $(lab_git -C "$tree" status --porcelain | head -n 1)"
	[ -n "$force" ] || [ "$(series_fingerprint)" = "$(cat "$tree/.git/lab-taken")" ] ||
		die "patches/ or our own files changed since lab tree: lab save --force overwrites them"
	scratch_dir out save
	save_commits "$tree" "$out" || exit 1
	put_back "$out"
	lab_git -C "$tree" update-ref refs/lab/series HEAD
	series_fingerprint >"$tree/.git/lab-taken"
	say "$(series_list | wc -l) patches saved"
}
