# shellcheck shell=bash
# Patches and our own files into a tree.
use series

# apply_patch DIR PATCH [FUZZ]: with the failing file and hunk named.
apply_patch() {
	local dir=$1 patch=$2 fuzz=${3:-2} path out

	need patch:patch
	for path in $(patch_touches "$patch"); do
		[ -e "$dir/$path" ] || {
			say "${patch##*/}: $path: Linux $(base_version) has no such file"
			return 1
		}
	done
	# A patch may bring nothing but files of our own.
	grep -q '^diff --git ' "$patch" || return 0
	if ! out=$(patch -d "$dir" -p1 -f -F "$fuzz" --no-backup-if-mismatch -r - -i "$(readlink -f "$patch")" 2>&1); then
		awk -v patch="${patch##*/}" -v version="$(base_version)" '
			/^patching file / { file = $3; next }
			/^Hunk #.* FAILED at / {
				sub("#", "", $2); sub("[.]$", "", $5)
				printf "lab: %s: %s: hunk %s (line %s) does not apply to Linux %s\n", patch, file, $2, $5, version
				n++
			}
			/malformed patch/ { printf "lab: %s: %s\n", patch, $0; n++ }
			END { if (!n) printf "lab: %s does not apply to Linux %s\n", patch, version }' <<<"$out" >&2
		return 1
	fi
	! grep -q 'with fuzz' <<<"$out" || say "${patch##*/}: applies to Linux $(base_version) with fuzz only"
}

# copy_own FROM TO PATH...
copy_own() {
	local from=$1 to=$2 path

	shift 2
	for path; do
		mkdir -p "$to/$(dirname "$path")"
		cp --remove-destination --preserve=mode "$from/$path" "$to/$path"
	done
}

# mini_base DIR: only those of the base's files that the series touches; to git
# and patch it is as good as the whole tree.
mini_base() {
	local patch path

	mkdir -p "$1"
	for patch in $(series_list); do
		patch_touches "$patches/$patch"
	done | sort -u | while read -r path; do
		[ -e "$base/$path" ] || continue
		mkdir -p "$1/$(dirname "$path")"
		cp --preserve=mode "$base/$path" "$1/$path"
	done
}

orphans_named=
# update_tree TREE [COUNT [FUNCTION]]: TREE is the base with the first COUNT patches (all
# of them unless told) and their own files in it, and what FUNCTION adds. Only files whose content changes are
# written, so that a build after it is incremental.
update_tree() {
	local tree=$1 count=${2:-} more=${3:-} stage paths path patch n=0 orphans=1

	scratch_dir stage stage
	paths=$stage/.lab-paths
	mini_base "$stage/tree"
	# In the middle of the work a file may have no patch yet: build it all the same.
	owners "$stage/owners" 2>"$stage/complaints" || orphans=0
	for patch in $(series_list); do
		[ -z "$count" ] || ((n < count)) || break
		n=$((n + 1))
		apply_patch "$stage/tree" "$patches/$patch" || exit 1
		# shellcheck disable=SC2046 # the kernel's paths have no spaces
		copy_own "$repo" "$stage/tree" $(awk -v p="$patch" '$1 == p { print $2 }' "$stage/owners")
	done
	if [ -z "$count" ] && [ $orphans = 0 ]; then
		[ -n "$orphans_named" ] || say "of our own files $(grep -c 'belongs to no patch' "$stage/complaints") belong to no patch (lab series names them); they are built all the same"
		orphans_named=1
		grep -v 'belongs to no patch' "$stage/complaints" >&2 || :
		# shellcheck disable=SC2046
		copy_own "$repo" "$stage/tree" $(own_files)
	fi
	[ -z "$more" ] || "$more" "$stage/tree" || exit 1

	if [ ! -e "$tree/.lab-complete" ]; then
		rm -rf "$tree"
		copy_base "$tree"
		: >"$tree/.lab-paths"
		touch "$tree/.lab-complete"
	fi
	{
		for patch in $(series_list); do patch_touches "$patches/$patch"; done
		(cd "$stage/tree" && find . -type f -printf '%P\n')
	} | sort -u >"$paths"
	# What an earlier series touched and this one does not goes back.
	sort -u "$paths" "$tree/.lab-paths" | while read -r path; do
		if [ -e "$stage/tree/$path" ]; then
			update_file "$stage/tree/$path" "$tree/$path"
		elif [ -e "$base/$path" ] && ! grep -qxF "$path" "$paths"; then
			update_file "$base/$path" "$tree/$path"
		else
			rm -f "$tree/$path"
		fi
	done
	cp "$paths" "$tree/.lab-paths"
	rm -rf "$stage"
}

update_patched() {
	local fd

	lock patched fd
	update_tree "$build/patched"
	unlock fd
}

# A copy with a new time, so that make sees it, and never through a hard link.
update_file() {
	if ! cmp -s "$1" "$2"; then
		mkdir -p "$(dirname "$2")"
		cp --remove-destination --preserve=mode "$1" "$2"
	elif [ "$(stat -c %a "$1")" != "$(stat -c %a "$2")" ]; then
		chmod --reference="$1" "$2"
	fi
}
