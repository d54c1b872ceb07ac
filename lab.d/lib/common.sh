# shellcheck shell=bash
# What every call needs: messages, the list of things to undo, packages.

# shellcheck disable=SC2154 # lab sets top
build=$top/build
log=$build/log
# The repository whose series is meant; the tests of the series give another.
repo=${LAB_REPO:-$top}
patches=$repo/patches/6.12
jobs=${LAB_JOBS:-$(nproc)}
export LC_ALL=C.UTF-8
# ccache takes it for a part of what is compiled.
unset LANG

say() { printf 'lab: %s\n' "$*" >&2; }

# What was asked for went wrong.
die() {
	say "$*"
	exit 1
}

# It was asked for in a way that makes no sense.
refuse() {
	say "$*"
	exit 2
}

# use NAME...: lab.d/lib/NAME.sh, once.
declare -gA used=()
use() {
	local part

	for part; do
		[ -z "${used[$part]-}" ] || continue
		used[$part]=1
		# shellcheck source=/dev/null
		. "$top/lab.d/lib/$part.sh"
	done
}

# Undone on every way out, the last one first; kill -9 is left to pdeathsig.
cleanup_order=()
declare -gA cleanups=()

# at_exit NAME COMMAND...
at_exit() {
	cleanup_order+=("$1")
	cleanups[$1]=${*:2}
}

# undo NAME: now rather than at the end.
undo() {
	local command=${cleanups[$1]-}

	forget "$1"
	[ -z "$command" ] || eval "$command" || :
}

# forget NAME: it is not to be undone any more.
forget() { unset 'cleanups[$1]'; }

run_cleanups() {
	local i

	for ((i = ${#cleanup_order[@]} - 1; i >= 0; i--)); do
		undo "${cleanup_order[i]}"
	done
	cleanup_order=()
}
trap run_cleanups EXIT

# In a subshell: what it undoes at its end is its own.
own_cleanups() {
	cleanup_order=()
	cleanups=()
	trap run_cleanups EXIT
}
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Wrong values are refused before any work is done.
check_environment() {
	case ${LAB_ACCEL-} in
	'' | kvm | tcg) ;;
	*) refuse "LAB_ACCEL is \"$LAB_ACCEL\": kvm and tcg are known" ;;
	esac
	[[ $jobs =~ ^[1-9][0-9]{0,3}$ ]] || refuse "LAB_JOBS is \"$jobs\": a number from 1 is needed"
	[[ $top =~ ^[^[:space:]:]+$ ]] ||
		refuse "$top: the kernel does not build below a path with spaces or colons"
	[ -z "${KERNEL_SOURCE-}" ] || [ -e "$KERNEL_SOURCE" ] ||
		refuse "KERNEL_SOURCE is $KERNEL_SOURCE: there is no such file or directory"
	mkdir -p "$build" "$log"
	sweep_scratch
}

# scratch_dir VARIABLE NAME: a folder of this run alone, which goes when it ends, or with
# undo "$VARIABLE".
scratch_dir() {
	local -n scratch_path=$1

	mkdir -p "$build/tmp"
	scratch_path=$(mktemp -d "$build/tmp/$$.$2.XXXXXX")
	at_exit "$scratch_path" "rm -rf '$scratch_path'"
}

# What runs that were killed outright have left.
sweep_scratch() {
	local dir pid

	for dir in "$build/tmp"/*; do
		pid=${dir##*/}
		pid=${pid%%.*}
		[ ! -d "$dir" ] || kill -0 "$pid" 2>/dev/null || rm -rf "$dir"
	done
}

# is_number VALUE NAME MIN MAX: the value as a whole number within its limits, or out.
is_number() {
	[[ $1 =~ ^[0-9]{1,9}$ ]] && (($1 >= $3 && $1 <= $4)) ||
		refuse "$2 is \"$1\": a number from $3 to $4 is needed"
}

# The value of an option that stands last has been forgotten.
value_of() {
	[ "$2" -ge 2 ] || refuse "$1 needs a value"
}

elapsed() { printf '%d:%02d' $((($1) / 60)) $((($1) % 60)); }

# A changing line on a terminal; elsewhere a plain line now and then.
progress_last=-30
progress_plain=''
progress() {
	if [ -t 2 ] && [ -z "$progress_plain" ]; then
		printf '\r\033[Klab: %s' "$*" >&2
	elif ((SECONDS - progress_last >= 30)); then
		progress_last=$SECONDS
		say "$*"
	fi
}
progress_end() {
	[ ! -t 2 ] || [ -n "$progress_plain" ] || printf '\r\033[K' >&2
	progress_last=-30
}

# Several labs may run in one checkout: each shared thing in build/ has a lock.
lock() {
	local -n lock_fd=$2

	mkdir -p "$build/lock"
	exec {lock_fd}>"$build/lock/$1"
	flock -n "$lock_fd" && return
	say "waiting for another lab that is busy with: $1"
	flock "$lock_fd"
}
unlock() {
	local -n unlock_fd=$1

	exec {unlock_fd}>&-
}
