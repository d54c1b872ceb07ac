# shellcheck shell=bash
# lab tree: the series as a branch to work in.
use commits

tree=$build/tree

tree_help() {
	cat <<-'H'
		usage: lab tree [--force]

		Makes build/tree, a git repository of the whole kernel source: the commit that
		refs/lab/base names is the pristine source, and on top of it stands one commit
		per patch, with our own files in them; "Part: NAME" in a message says to which part of
		the series the patch belongs. Change it with git as you like, fold each
		change into the commit it belongs to (git rebase -i --autosquash refs/lab/base),
		and write it back with lab save.

		--force  throw away work in build/tree that has not been saved
	H
}

# What would be lost if the tree were made anew.
tree_unsaved() {
	[ -e "$tree/.git/lab-taken" ] || return 1
	[ -n "$(lab_git -C "$tree" status --porcelain | head -n 1)" ] && return 0
	[ "$(lab_git -C "$tree" rev-parse HEAD)" != "$(lab_git -C "$tree" rev-parse refs/lab/series)" ]
}

cmd_tree() {
	local force='' fd work list wrong

	while [ $# -gt 0 ]; do
		case $1 in
		--help) tree_help && return ;;
		--force) force=1 ;;
		*) refuse "lab tree knows no \"$1\"" ;;
		esac
		shift
	done
	need git:git patch:patch
	fetch_base
	lock tree fd
	scratch_dir work tree
	list=$work/owners
	owners "$list" || exit 1
	wrong=$(sections_complaints) || die "${wrong%%$'\n'*}"
	[ -n "$force" ] || ! tree_unsaved ||
		die "build/tree has work that is not saved: lab save keeps it, lab tree --force drops it"
	if [ "$(cat "$tree/.git/lab-base" 2>/dev/null)" != "$(cat "$base/.lab-source")" ]; then
		say "making build/tree of Linux $(base_version) (about a minute)"
		rm -rf "$tree"
		mkdir -p "$tree"
		# Copies, no links: editors write into files.
		tar -C "$base" --exclude=./o --exclude='./.lab-*' -cf - . | tar -x -C "$tree"
		commit_base "$tree"
		cp "$base/.lab-source" "$tree/.git/lab-base"
	fi
	[ ! -d "$tree/.git/rebase-merge" ] || lab_git -C "$tree" rebase --quit
	lab_git -C "$tree" checkout -q -f -B oom_reaper refs/lab/base
	lab_git -C "$tree" clean -q -f -d
	commit_series "$tree" "$list" || exit 1
	series_fingerprint >"$tree/.git/lab-taken"
	say "$(lab_git -C "$tree" rev-list --count refs/lab/base..HEAD) commits on Linux $(base_version), branch oom_reaper"
	printf '%s\n' "$tree"
}
