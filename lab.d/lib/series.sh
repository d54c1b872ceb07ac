# shellcheck shell=bash
# The series: which patches, and which of our own files belong to which of them.
use fetch

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

# The kernel's files that a patch changes. One that only adds our own files has no diff.
patch_touches() {
	grep -q '^diff ' "$1" || return 0
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

# What stands in patches/ and our own files now, as one number.
series_fingerprint() {
	{
		(cd "$repo" && find patches/6.12 -type f -printf '%p\n' 2>/dev/null) || :
		own_files
	} | sort -u | (cd "$repo" && xargs -r -d '\n' sha256sum) | sha256sum | cut -d' ' -f1
}
