# shellcheck shell=bash
# lab series: the patches as they are mailed.
use export

series_help() {
	cat <<-'H'
		usage: lab series [DIR] [--part NAME] [--signoff]

		Writes the series for mailing into DIR (build/series unless told): a cover letter
		and one patch per file with our own files in them. DIR/series lists the patches in
		quilt's form. On a bare Linux 6.12.y:

		    git am --empty=drop DIR/*.patch

		--part NAME  one part of it only, with a cover letter and numbers of its own; it applies
		             after those before it. patches/6.12/series says which parts there are.
		--signoff    adds your Signed-off-by (git config user.name, user.email) to each
	H
}

cmd_series() {
	local dir='' signoff='' part='' wrong

	while [ $# -gt 0 ]; do
		case $1 in
		--help) series_help && return ;;
		--signoff) signoff=1 ;;
		--part)
			value_of "$1" $#
			is_part "$2"
			part=$2
			shift
			;;
		-*) refuse "lab series knows no \"$1\"" ;;
		*)
			[ -z "$dir" ] || refuse "lab series takes one folder, not \"$dir\" and \"$1\""
			dir=$1
			;;
		esac
		shift
	done
	dir=${dir:-$build/series}
	[ ! -e "$dir" ] || [ -d "$dir" ] || refuse "$dir is no folder"
	if [ -n "$signoff" ]; then
		need git:git
		[ -n "$(git config user.name)" ] && [ -n "$(git config user.email)" ] ||
			refuse "--signoff needs to know who you are: git config user.name and user.email"
	fi
	need git:git patch:patch
	fetch_base
	[ -n "$(series_list)" ] || die "the series is empty: there is nothing to export"
	wrong=$(sections_complaints) || die "${wrong%%$'\n'*}"
	export_series "$dir" "$signoff" "$part" || exit 1
	say "$(wc -l <"$dir/series") patches and a cover letter for Linux $(base_version)${part:+, part $part}"
	printf '%s\n' "$dir"
}
