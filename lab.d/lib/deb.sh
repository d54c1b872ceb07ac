# shellcheck shell=bash
# The patched kernel as Debian packages.
use build

debian_config=/usr/src/linux-config-6.12/config.amd64_none_cloud-amd64.xz

# deb_config OUT WHAT: writes OUT/.config for small, cloud or a file.
deb_config() {
	local out=$1 what=$2

	case $what in
	small)
		merge_fragments "$top"/lab.d/config/{base,deb}.config >"$out/.lab-config"
		deb_make "$out" -s KCONFIG_ALLCONFIG="$out/.lab-config" allnoconfig
		return
		;;
	cloud) xz -dc "$debian_config" >"$out/.config" ;;
	*) cp "$what" "$out/.config" ;;
	esac
	own_keys "$out/.config"
	deb_make "$out" -s olddefconfig
}

# A distribution signs with keys that only it has, at paths that are only there.
# Without them the build makes a key of its own.
own_keys() {
	local option value

	for option in SYSTEM_TRUSTED_KEYS SYSTEM_REVOCATION_KEYS MODULE_SIG_KEY; do
		value=$(sed -n "s/^CONFIG_$option=\"\(.*\)\"/\1/p" "$1")
		[[ $value == /* && -f $value ]] || sed -i "/^CONFIG_$option=/d" "$1"
	done
}

deb_make() {
	local out=$1

	shift
	make_in "$build/patched" "$out" LOCALVERSION=+oomr KDEB_SOURCENAME=linux-oomr \
		KDEB_PKGVERSION="$(base_version)-1" KDEB_CHANGELOG_DIST=unstable \
		DEB_BUILD_PROFILES=pkg.linux-oomr.nokerneldbg DEBEMAIL="${DEBEMAIL:-root@localhost}" "$@"
}

deb_needs() {
	need "${source_tools[@]}" "${kernel_tools[@]}" patch:patch git:git zstd:zstd cpio:cpio rsync:rsync openssl:openssl \
		pahole:pahole dpkg-buildpackage:dpkg-dev dh:debhelper python3:python3
	[ "$1" != cloud ] || need "$debian_config:linux-config-6.12"
}

# build_packages small|cloud|FILE DIR
build_packages() {
	local what=$1 dir=$2 out fd name total=2600 start=$SECONDS

	deb_needs "$what"
	fetch_base
	lock kernel-deb fd
	update_patched
	name=$what
	[[ $what != /* ]] || name=own
	out=$build/patched/deb/$name/o
	mkdir -p "$out" "$dir"
	deb_config "$out" "$what" >"$log/config-deb.log" 2>&1 ||
		die "the configuration fails: see $log/config-deb.log"
	rm -f "${out%/o}"/*.deb
	[ "$what" = small ] || total=9000
	[ ! -e "$out/.lab-total" ] || total=$(cat "$out/.lab-total")
	if ! deb_make "$out" bindeb-pkg 2>&1 | tee "$log/build-deb.log" | build_progress deb "$total"; then
		grep -E -m 20 'error:|Error |undefined reference|^make.*\*\*\*|^dpkg' "$log/build-deb.log" >&2 || :
		die "the packages cannot be built: see $log/build-deb.log"
	fi
	[ -e "$out/.lab-total" ] || cp "$log/objects-deb" "$out/.lab-total"
	say "packages built in $(elapsed $((SECONDS - start)))"
	for name in "${out%/o}"/linux-image-*+oomr_*.deb "${out%/o}"/linux-headers-*+oomr_*.deb; do
		[ -e "$name" ] || die "the build has made no ${name##*/}: see $log/build-deb.log"
		mv "$name" "$dir/"
		printf '%s/%s\n' "$dir" "${name##*/}"
	done
	unlock fd
}
