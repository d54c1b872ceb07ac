# shellcheck shell=bash
# A bare Debian: a root file system with the minimal set of packages and what a
# clone needs, and commands that run in it. .ci/run and lab.bare use it.

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

# bare_tar RELEASE: sets tar to a root file system of RELEASE that is not older than a week.
bare_tar() {
	local release=$1 cache main security proxy option=()

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

# bare_root RELEASE DIR: such a root, unpacked, with a user "lab" that may use sudo.
bare_root() {
	local tar

	[ "$(id -u)" -eq 0 ] || {
		echo 'needs root, to make a root file system'
		return 4
	}
	bare_tar "$1" || return
	mkdir -p "$2"
	tar -C "$2" -xpf "$tar" 2>"$log/bare.log" || {
		echo "the root file system cannot be unpacked: $(head -n 1 "$log/bare.log")"
		return 4
	}
	cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
	bare_run "$2" root / true 2>/dev/null || {
		echo 'mounts are not permitted here'
		return 4
	}
	echo 'lab:x:1000:1000::/home/lab:/bin/bash' >>"$2/etc/passwd"
	echo 'lab:x:1000:' >>"$2/etc/group"
	echo 'lab:*:19000:0:99999:7:::' >>"$2/etc/shadow"
	install -d -o 1000 -g 1000 "$2/home/lab"
	echo 'lab ALL=(ALL) NOPASSWD: ALL' >"$2/etc/sudoers.d/lab"
}

# "FROM TO" lines: what is mounted in the root as well.
bare_mounts=

# bare_run ROOT USER DIR COMMAND...: in mount and process namespaces of its own, so
# that nothing stays mounted and no process is left, whatever happens. Nothing
# of our environment goes along but what says how to reach the network and what
# lab is told by it.
bare_run() {
	local root=$1 user=$2 home=/root name environment=()

	[ "$user" = root ] || home=/home/$user
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
		exit 0' bare "$root" "$user" "$bare_mounts" \
		HOME="$home" USER="$user" LOGNAME="$user" TERM=dumb \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ${environment[@]+"${environment[@]}"} \
		bash -c 'cd "$0" && exec "$@"' "${@:3}"
}

# bare_clone ROOT USER: a clone of the repository in USER's home, with what is not
# committed here, and nothing built.
bare_clone() {
	local root=$1 user=$2 home=/root

	[ "$user" = root ] || home=/home/$user
	lab_git clone -q --no-hardlinks "$top" "$root$home/clone" || return
	lab_git -C "$top" diff --binary HEAD | lab_git -C "$root$home/clone" apply --allow-empty || return
	(cd "$top" && lab_git ls-files -oz --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$root$home/clone"
	chroot "$root" chown -R "$user:" "$home/clone"
}

# bare_ccache USER HOME: the cache that CCACHE_DIR names is the root's, too; for a user, who
# may not write to root's, one of his own beside the roots.
bare_ccache() {
	local from=${CCACHE_DIR-}

	[ -n "$from" ] || return 0
	[ "$1" = root ] || from=$(bare_cache)/ccache-$1
	mkdir -p "$from"
	[ "$1" = root ] || chown 1000:1000 "$from"
	bare_mounts="$from $2/.cache/ccache"
}

# bare_commands RELEASE USER CALL...: the README's commands, in this order.
bare_commands() {
	local release=$1 user=$2 root=$work/$1 home=/root call start said

	shift 2
	[ "$user" = root ] || home=/home/$user
	bare_root "$release" "$root" || return
	bare_clone "$root" "$user" || return
	bare_ccache "$user" "$home"
	for call; do
		start=$SECONDS
		said=$log/bare-$release-$call.out
		say "lab $call in Debian $release as $user: see $said"
		bare_run "$root" "$user" "$home/clone" ./lab "$call" </dev/null >"$said" 2>&1 || {
			echo "lab $call in Debian $release as $user, after $(elapsed $((SECONDS - start))):"
			grep -E '^FAILED|^[0-9]+ passed' "$said" || tail -n 5 "$said"
			bad=1
		}
		echo "Debian $release, $user: lab $call in $(elapsed $((SECONDS - start))), $(du -sh "$root$home/clone/build" | cut -f1) below build/: $(tail -n 1 "$said")"
	done
	[ -s "$root$home/clone/build/demo.svg" ] || {
		echo "no build/demo.svg in Debian $release"
		bad=1
	}
	rm -rf --one-file-system "$root"
}

# The README's two commands on machines with nothing, in either order. With
# CCACHE_DIR set, that cache is used; without, it takes as long as it takes anybody.
check_lab_bare() {
	local bad=0

	scratch
	bare_commands bookworm root demo test || return
	bare_commands trixie lab test demo || return
	return $bad
}
