# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# For the README's blocks: what other distributions have and the lab has not. Each
# does with the patches what the original does. $work/bare is the kernel's source.
set -euo pipefail

# Debian's source package comes unpacked, with its own patches applied.
apt-get() {
	mkdir linux-6.12.0
	cp -r "$work/bare/." linux-6.12.0
	(
		cd linux-6.12.0
		export QUILT_PATCHES=debian/patches
		quilt new debian/version.patch
		quilt add debian-version
		echo 1 >debian-version
		quilt refresh
	)
}

# What kernel.spec calls patch_command, on what it calls linux-kernel-test.patch.
fedpkg() {
	grep -qx '%define buildid .oomr' kernel.spec
	cp -r "$work/bare" tree
	cd tree
	git --work-tree=. apply <../linux-kernel-test.patch
}

pkgctl() {
	mkdir linux-lts
	printf '%s\n' 'source=(' '  config' ')' 'validpgpkeys=(' ')' >linux-lts/PKGBUILD
	cp -r "$work/bare" linux-lts/tree
}

updpkgsums() { :; }

# The loop of PKGBUILD's prepare().
makepkg() {
	. ./PKGBUILD
	cd tree
	for src in "${source[@]}"; do
		[[ $src == *.patch ]] || continue
		patch -Np1 <"../$src"
	done
}
