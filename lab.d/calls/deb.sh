# shellcheck shell=bash
# lab deb: the patched kernel as Debian packages.
use deb

deb_help() {
	cat <<-'H'
		usage: lab deb [--config small] [DIR]

		Builds the patched kernel as Debian packages, linux-image and linux-headers, and
		puts them into DIR (build/deb unless told). The release ends on "+oomr". Install them
		with dpkg -i; dpkg -r removes them; Debian's own kernels stay as they are.

		The configuration is that of Debian's cloud kernel, from the package
		linux-config-6.12; modules are signed with a key that the build makes. It takes
		about an hour on 2 CPUs, and some 10 GB below build/.

		--config small  the lab's own configuration, and what systemd needs: for a virtual
		                machine with virtio disks, and in ten minutes
		CONFIG=FILE     a configuration of your own, for example
		                CONFIG=/boot/config-$(uname -r)
	H
}

cmd_deb() {
	local dir='' what=cloud

	while [ $# -gt 0 ]; do
		case $1 in
		--help) deb_help && return ;;
		--config)
			value_of "$1" $#
			[ "$2" = small ] || refuse "--config is \"$2\": small is known, and CONFIG=FILE takes a file"
			what=small
			shift
			;;
		-*) refuse "lab deb knows no \"$1\"" ;;
		*)
			[ -z "$dir" ] || refuse "lab deb takes one folder, not \"$dir\" and \"$1\""
			dir=$1
			;;
		esac
		shift
	done
	dir=${dir:-$build/deb}
	[ ! -e "$dir" ] || [ -d "$dir" ] || refuse "$dir is no folder"
	if [ -n "${CONFIG-}" ]; then
		[ "$what" = cloud ] || refuse "CONFIG= and --config small: one of them"
		[ -f "$CONFIG" ] && grep -q '^CONFIG_[A-Z0-9_]*=' "$CONFIG" ||
			refuse "CONFIG is $CONFIG: the configuration of a kernel is needed"
		what=$(readlink -f "$CONFIG")
	fi
	build_packages "$what" "$dir"
}
