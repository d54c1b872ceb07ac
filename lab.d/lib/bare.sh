# shellcheck shell=bash
# A bare Debian: a root file system with the minimal set of packages and what a
# clone needs, and commands that run in it, for .ci/run and lab.bare. Which one is in
# an array that the caller has:
#   release user   bookworm, trixie; root, or lab, who may use sudo
#   root home      the root's folder; the user's home in it
#   mounts         what is mounted in it as well: a line "FROM TO" each
use packages series

# bare_defaults RELEASE USER ROOT
bare_defaults() {
	bare=([release]=$1 [user]=$2 [root]=$3 [home]=/root [mounts]='')
	[ "$2" = root ] || bare[home]=/home/$2
}

bare_packages=git,ca-certificates,sudo

# Where roots are kept between runs: outside the clone, if there is such a place.
bare_cache() {
	local dir

	for dir in "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}" /var/cache "$build"; do
		dir=$dir/oom-reaper-lab
		mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] && printf '%s\n' "$dir" && return
	done
}

# configured_mirror SUFFIX: where this machine's apt has its own release from.
configured_mirror() {
	local codename

	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # for apt
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk -v release="$codename$1" '$2 == release && !n++ { print $1 }'
}

# bare_tar: sets tar to a root file system of the release that is not older than a week.
bare_tar() {
	local release=${bare[release]} cache main security proxy uri option=()

	cache=$(bare_cache)
	tar=$cache/$release.tar
	[ -z "$(find "$cache" -name "$release.tar" -mtime -7)" ] || return 0
	need mmdebstrap:mmdebstrap
	main=$(configured_mirror '') security=$(configured_mirror -security)
	for proxy in http https; do
		eval "$(apt-config shell uri "Acquire::$proxy::Proxy")"
		[ -z "${uri-}" ] || option+=("--aptopt=Acquire::$proxy::Proxy \"$uri\"")
		uri=
	done
	main=${main:-http://deb.debian.org/debian}
	say "making a root file system of Debian $release from $main"
	# The root is not to outlive a power failure.
	timeout 900 mmdebstrap --quiet --variant=apt --include="$bare_packages" --dpkgopt=force-unsafe-io \
		${option[@]+"${option[@]}"} --format=tar "$release" "$tar.$$" \
		"deb $main $release main" "deb $main $release-updates main" \
		"deb ${security:-http://security.debian.org/debian-security} $release-security main" \
		>"$log/mmdebstrap-$release.log" 2>&1 </dev/null || {
		rm -f "$tar.$$"
		echo "mmdebstrap fails: $(grep -m1 '^E:' "$log/mmdebstrap-$release.log"), see $log/mmdebstrap-$release.log"
		return 1
	}
	mv "$tar.$$" "$tar"
}

# bare_root: such a root, unpacked, with a user "lab" that may use sudo.
bare_root() {
	local root=${bare[root]} tar

	[ "$(id -u)" -eq 0 ] || {
		echo 'needs root, to make a root file system'
		return 4
	}
	bare_tar || return
	mkdir -p "$root"
	tar -C "$root" -xpf "$tar" 2>"$log/bare.log" || {
		echo "the root file system cannot be unpacked: $(head -n 1 "$log/bare.log")"
		return 4
	}
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	echo 'lab:x:1000:1000::/home/lab:/bin/bash' >>"$root/etc/passwd"
	echo 'lab:x:1000:' >>"$root/etc/group"
	echo 'lab:*:19000:0:99999:7:::' >>"$root/etc/shadow"
	install -d -o 1000 -g 1000 "$root/home/lab"
	echo 'lab ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/lab"
	bare_run / true 2>"$log/bare.log" || {
		echo "no command can be run there: $(head -n 1 "$log/bare.log")"
		return 4
	}
}

# bare_run DIR COMMAND...: as the user, in mount and process namespaces of its own, so
# that nothing stays mounted and no process is left, whatever happens. Nothing
# of our environment goes along but what says how to reach the network and what
# lab is told by it.
bare_run() {
	local name environment=()

	for name in CI LAB_ACCEL LAB_JOBS http_proxy https_proxy no_proxy; do
		[ -z "${!name-}" ] || environment+=("$name=${!name}")
	done
	# shellcheck disable=SC2016 # for the shell inside
	unshare --mount --pid --fork --kill-child bash -euc '
		root=$1 user=$2 mounts=$3
		shift 3
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount --rbind /sys "$root/sys" || :
		while read -r from to; do
			[ -n "$from" ] || continue
			mkdir -p "$root$to"
			mount --bind "$from" "$root$to"
		done <<<"$mounts"
		chroot --userspec="$user" "$root" env -i "$@" || exit
		exit 0' bare "${bare[root]}" "${bare[user]}" "${bare[mounts]}" \
		HOME="${bare[home]}" USER="${bare[user]}" LOGNAME="${bare[user]}" TERM=dumb \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ${environment[@]+"${environment[@]}"} \
		bash -c 'cd "$0" && exec "$@"' "$@"
}
