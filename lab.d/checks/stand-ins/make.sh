# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# In place of make, for lab.needs. Looks whether what it would run is there, and makes the files that lab looks for.
# $dir has the PATH that is pretended, $caller is that PATH.

wants() {
	for name; do
		case $name in
		/*) [ -e "$LAB_SYSROOT$name" ] ;;
		*) PATH=$caller command -v "$name" >/dev/null ;;
		esac || echo "$name: command not found, for make $target"
	done
}
builds='gcc flex bison bc perl pod2man /usr/include/stdio.h /usr/include/gelf.h /usr/include/openssl/evp.h'
folder=. targets=
while [ $# -gt 0 ]; do
	case $1 in
	-C) folder=$2 && shift ;;
	*=*) eval "${1%%=*}=\${1#*=}" ;;
	-*) ;;
	*) targets+=" $1" ;;
	esac
	shift
done
[ -d "$folder" ] || exit 2
case $CC in ccache*) wants ccache ;; esac
for target in $targets; do
	case $target in
	allnoconfig | olddefconfig)
		wants gcc flex bison
		[ -z "$KCONFIG_ALLCONFIG" ] || cp "$KCONFIG_ALLCONFIG" "$O/.config"
		;;
	bzImage)
		# shellcheck disable=SC2086 # words
		wants $builds
		mkdir -p "$O/arch/x86/boot" "$O/include/config"
		: >"$O/arch/x86/boot/bzImage"
		echo 0 >"$O/include/config/kernel.release"
		echo x.ko >"$O/modules.order"
		echo '  CC      x.o'
		;;
	modules_install) wants depmod && mkdir -p "$INSTALL_MOD_PATH/lib" ;;
	headers) wants gcc rsync && mkdir -p "$O/usr/include" ;;
	install)
		wants gcc rsync /usr/lib32/crt1.o /usr/include/stdio.h /usr/include/linux/fuse.h
		mkdir -p "$INSTALL_PATH/oom_reaper"
		for name in $(grep -hoE '^TEST_GEN[A-Z_]* *[:+]?=.*' "$folder/oom_reaper/Makefile" | sed 's/.*=//') oom_bench; do
			printf '#!/bin/sh\n' >"$INSTALL_PATH/oom_reaper/$name"
			chmod +x "$INSTALL_PATH/oom_reaper/$name"
		done
		;;
	htmldocs) wants perl python3 sphinx-build /usr/lib/python3/dist-packages/yaml ;;
	bindeb-pkg)
		# shellcheck disable=SC2086 # words
		wants $builds zstd cpio rsync openssl pahole dpkg-buildpackage dh depmod
		for name in image headers; do : >"${O%/o}/linux-$name-0+oomr_0.deb"; done
		;;
	esac
done
