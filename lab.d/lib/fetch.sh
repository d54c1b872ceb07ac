# shellcheck shell=bash
# The pristine source in build/base, from the Debian package or from
# KERNEL_SOURCE. What the user names is only read.

use packages

base=$build/base
source_package=linux-source-6.12
source_tar=/usr/src/$source_package.tar.xz
source_tools=(xz:xz-utils)
[ -n "${KERNEL_SOURCE-}" ] || source_tools+=("$source_tar:$source_package")

# What the source is, so that the same one is not unpacked twice.
source_identity() {
	local what=$1

	if is_git_tree "$what"; then
		printf 'git %s %s\n' "$what" "$(git -C "$what" rev-parse HEAD)"
	else
		stat -Lc '%F %n %s %Y' "$what"
	fi
}

# A directory that merely lies somewhere inside a repository is none.
is_git_tree() {
	local where

	[ -d "$1" ] || return 1
	[ ! -e "$1/.git" ] || need git:git
	command -v git >/dev/null || return 1
	where=$(git -C "$1" rev-parse --show-prefix 2>/dev/null) || return 1
	[ -z "$where" ] && git -C "$1" cat-file -e HEAD:Makefile 2>/dev/null
}

# A plain directory has no one thing that changes with its files.
directory_changed() {
	[ -d "$1" ] && ! is_git_tree "$1" &&
		[ -n "$(find "$1" -newer "$base/.lab-source" -type f -print -quit)" ]
}

source_version() {
	sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) *= *\([0-9]\+\)$/\2/p' "$1/Makefile" 2>/dev/null |
		paste -sd.
}

unpack_source() {
	local what=$1 to=$2

	if is_git_tree "$what"; then
		git -C "$what" archive HEAD | tar -x -C "$to"
	elif [ -d "$what" ]; then
		tar -C "$what" --exclude-vcs --exclude='*.o' --exclude='*.cmd' -cf - . | tar -x -C "$to"
	elif [ -f "$what" ]; then
		case $what in
		*.zst | *.tzst) need zstd:zstd ;;
		*.bz2 | *.tbz*) need bzip2:bzip2 ;;
		esac
		XZ_DEFAULTS=-T0 tar -xf "$what" -C "$to" 2>/dev/null
	else
		return 1
	fi
}

# fetch_base: build/base is there and is what was asked for.
base_fetched=''
fetch_base() {
	local what=${KERNEL_SOURCE-} fd new=$build/base.new inner version

	[ -z "$base_fetched" ] || return 0
	need "${source_tools[@]}"
	what=$(readlink -f "${what:-$source_tar}")
	lock source fd
	if [ "$(cat "$base/.lab-source" 2>/dev/null)" != "$(source_identity "$what")" ] ||
		directory_changed "$what"; then
		say "unpacking $what"
		rm -rf "$new"
		mkdir -p "$new"
		at_exit "$new" "rm -rf '$new'"
		unpack_source "$what" "$new" ||
			refuse "$what cannot be unpacked: a tar file, a directory or a git tree of Linux 6.12.y is needed"
		# A tar file usually has one folder around it all.
		inner=$new
		if [ ! -f "$new/Makefile" ]; then
			inner=$(find "$new" -mindepth 2 -maxdepth 2 -name Makefile -printf '%h\n' -quit)
		fi
		version=$(source_version "${inner:-$new}") || :
		[ -n "$version" ] || refuse "$what is no Linux source: its Makefile names no version"
		[[ $version == 6.12.* ]] || refuse "$what is Linux $version: the series is for 6.12.y"
		if [ -e "$inner/.config" ] || [ -e "$inner/include/config" ]; then
			need make:make gcc:gcc
			make -s -C "$inner" mrproper >&2
		fi
		source_identity "$what" >"$inner/.lab-source"
		# All that was made from the source before goes with it.
		rm -rf "$base" "$build/patched" "$build/steps"
		mv "$inner" "$base"
		rm -rf "$new"
		# Newer than every file, for directory_changed().
		touch "$base/.lab-source"
	fi
	unlock fd
	base_fetched=1
}

base_version() { source_version "$base"; }

# copy_base TO: a tree of hard links; everything below lab's hands writes new
# files in place of old ones, never into them.
copy_base() {
	local entry

	mkdir -p "$1"
	for entry in "$base"/* "$base"/.[!.]*; do
		case ${entry##*/} in
		o | .lab-source) ;;
		*) cp -al "$entry" "$1/" ;;
		esac
	done
}
