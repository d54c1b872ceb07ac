# shellcheck shell=bash
# The series: which patches, which of our own files belong to which of them,
# and how they get into a tree.
# shellcheck source=lab.d/fetch.sh
. "$top/lab.d/fetch.sh"

# Nothing that a user has configured may change a byte of what we write.
lab_git() {
	need git:git
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=$top git \
		-c safe.directory='*' -c core.autocrlf=false -c core.quotePath=false -c gc.auto=0 \
		-c core.fileMode=true -c advice.detachedHead=false "$@"
}

# The patches' file names, in order.
series_list() {
	local name

	[ -e "$patches/series" ] || return 0
	while read -r name _; do
		case $name in '' | '#'*) continue ;; esac
		[ -f "$patches/$name" ] || die "patches/6.12/series names $name, and there is no such file"
		printf '%s\n' "$name"
	done <"$patches/series"
}

patch_adds() {
	awk '/^---$/ || /^diff / { exit } /^Adds: / { print $2 }' "$1"
}

# The kernel's files that a patch changes.
patch_touches() {
	lab_git -C / apply --numstat -p1 "$(readlink -f "$1")" 2>/dev/null | cut -f3
}

# Our own files: all of the repository's that lie in a folder which the kernel has.
own_files() {
	local path

	{
		lab_git -C "$repo" ls-files -co --exclude-standard 2>/dev/null ||
			(cd "$repo" && find . -type f -not -path './build/*' -printf '%P\n')
	} | sort -u | while read -r path; do
		[[ $path == */* && -d $base/${path%%/*} && -f $repo/$path ]] || continue
		printf '%s\n' "$path"
	done
}

# owners: "PATCH PATH" for each own file that a patch's trailer names; returns
# 1 after naming every file that does not belong to exactly one patch.
owners() {
	local list=$1 patch name path files bad=0

	files=$(own_files)
	: >"$list"
	for patch in $(series_list); do
		for name in $(patch_adds "$patches/$patch"); do
			case $name in
			*/) path=$(grep -F "$name" <<<"$files" | awk -v d="$name" 'index($0, d) == 1') ;;
			*) path=$(grep -Fx "$name" <<<"$files") || : ;;
			esac
			if [ -z "$path" ]; then
				say "$patch adds $name, and there is no such file here"
				bad=1
				continue
			fi
			printf '%s\n' "$path" | sed "s|^|$patch |" >>"$list"
		done
	done
	for path in $(cut -d' ' -f2 "$list" | sort | uniq -d); do
		say "$path is added by more than one patch: $(awk -v p="$path" '$2 == p { printf "%s ", $1 }' "$list")"
		bad=1
	done
	while read -r patch path; do
		[ ! -e "$base/$path" ] || {
			say "$patch adds $path, but Linux $(base_version) has that file"
			bad=1
		}
	done <"$list"
	for path in $(comm -23 <(printf '%s\n' "$files" | sort -u) <(cut -d' ' -f2 "$list" | sort -u)); do
		say "$path belongs to no patch: one of them needs the line \"Adds: $path\""
		bad=1
	done
	return $bad
}

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
# update_tree TREE [COUNT]: TREE is the base with the first COUNT patches (all of them
# unless told) and their own files in it. Only files whose content changes are
# written, so that a build after it is incremental.
update_tree() {
	local tree=$1 count=${2:-} stage paths path patch n=0 orphans=1

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
	[ "$tree" != "$build/mutants" ] || apply_mutants "$stage/tree" || exit 1

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

# commit_patch PATCH DIR: commits DIR's index with the
# author, date and message of the patch.
commit_patch() {
	local patch=$1 dir=$2 info message name email date

	info=$dir/.git/lab-info
	message=$dir/.git/lab-message
	lab_git mailinfo "$message" /dev/null <"$patch" >"$info"
	name=$(sed -n 's/^Author: //p' "$info")
	email=$(sed -n 's/^Email: //p' "$info")
	date=$(sed -n 's/^Date: //p' "$info")
	{
		sed -n 's/^Subject: //p' "$info"
		[ ! -s "$message" ] || { echo && cat "$message"; }
	} >"$message.full"
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
	local dir=$1 list=$2 patch owner path

	for patch in $(series_list); do
		apply_patch "$dir" "$patches/$patch" 0 || return 1
		for path in $(patch_touches "$patches/$patch"); do
			lab_git -C "$dir" add -A -f -- "$path"
		done
		while read -r owner path; do
			[ "$owner" = "$patch" ] || continue
			copy_own "$repo" "$dir" "$path"
			lab_git -C "$dir" add -f -- "$path"
		done <"$list"
		commit_patch "$patches/$patch" "$dir"
	done
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

# What stands in patches/ and our own files now, as one number.
series_fingerprint() {
	{
		(cd "$repo" && find patches/6.12 -type f -printf '%p\n' 2>/dev/null) || :
		own_files
	} | sort -u | (cd "$repo" && xargs -r -d '\n' sha256sum) | sha256sum | cut -d' ' -f1
}
