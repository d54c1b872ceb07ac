# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# In place of apt-get, for lab.needs. What it "installs" appears in the PATH, and it alone.
# $dir has the PATH that is pretended, $caller is that PATH.

while [ $# -gt 0 ] && [ "$1" != install ]; do shift; done
[ $# -gt 0 ] || exit 0
shift
for package; do
	case $package in
	-*) continue ;;
	gcc-*-linux-gnu) ln -sf "$dir/has/gcc" "$dir/bin/${package#gcc-}-gcc" && continue ;;
	esac
	echo "$package" >>"$dir/installed"
	known=
	while read -r name from; do
		[ "$from" = "$package" ] || continue
		known=1
		case $name in
		/*) mkdir -p "$LAB_SYSROOT/${name%/*}" && : >"$LAB_SYSROOT/$name" ;;
		*) ln -sf "$dir/has/$name" "$dir/bin/$name" ;;
		esac
	done <"$dir/needs"
	[ -n "$known" ] || { echo "E: $package is no package that lab knows" && exit 1; }
done
