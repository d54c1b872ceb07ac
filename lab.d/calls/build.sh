# shellcheck shell=bash
use build

build_help() {
	cat <<-'H'
		usage: lab build [stock|patched|debug]

		Builds one kernel (patched unless told) and prints the path of its bzImage.

		stock    the source as it is, with lab.d/config/base.config
		patched  the source with the series, same configuration
		debug    the patched source with KASAN, lockdep and the like (debug.config)

		A second build takes only what changed; ccache is used where it is installed.
	H
}

cmd_build() {
	local kind=''

	while [ $# -gt 0 ]; do
		case $1 in
		--help) build_help && return ;;
		-*) refuse "lab build knows no \"$1\"" ;;
		*)
			[ -z "$kind" ] || refuse "lab build takes one kernel, not \"$kind\" and \"$1\""
			kind=$1
			;;
		esac
		shift
	done
	kind=${kind:-patched}
	is_kind "$kind"
	build_kernel "$kind"
	kernel_image "$kind"
}
