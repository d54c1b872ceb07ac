# shellcheck shell=bash
# The README's two commands on machines where nothing is installed.
use bare

# bare_clone: a clone of the repository in the user's home, with what is not committed
# here, and nothing built.
bare_clone() {
	local clone=${bare[root]}${bare[home]}/clone

	lab_git clone -q --no-hardlinks "$top" "$clone" || return
	lab_git -C "$top" diff --binary HEAD | lab_git -C "$clone" apply --allow-empty || return
	(cd "$top" && lab_git ls-files -oz --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$clone"
	chroot "${bare[root]}" chown -R "${bare[user]}:" "${bare[home]}/clone"
}

# The cache that CCACHE_DIR names is the root's, too; for a user, who may not write to
# root's, one of his own beside the roots.
bare_ccache() {
	local from=${CCACHE_DIR-}

	[ -n "$from" ] || return 0
	[ "${bare[user]}" = root ] || from=$(bare_cache)/ccache-${bare[user]}
	mkdir -p "$from"
	[ "${bare[user]}" = root ] || chown 1000:1000 "$from"
	bare[mounts]="$from ${bare[home]}/.cache/ccache"
}

# bare_commands RELEASE USER CALL...: the README's commands, in this order.
bare_commands() {
	local release=$1 user=$2 call start said build
	local -A bare

	shift 2
	bare_defaults "$release" "$user" "$work/$release"
	bare_root || return
	bare_clone || return
	bare_ccache
	build=${bare[root]}${bare[home]}/clone/build
	for call; do
		start=$SECONDS
		said=$log/bare-$release-$user-$call.out
		say "lab $call in Debian $release as $user: see $said"
		bare_run "${bare[home]}/clone" ./lab "$call" </dev/null >"$said" 2>&1 || {
			echo "lab $call in Debian $release as $user, after $(elapsed $((SECONDS - start))):"
			grep -E '^FAILED|^[0-9]+ passed' "$said" || tail -n 5 "$said"
			bad=1
		}
		echo "Debian $release, $user: lab $call in $(elapsed $((SECONDS - start))), $(du -sh "$build" | cut -f1) below build/: $(tail -n 1 "$said")"
	done
	[ -s "$build/demo.svg" ] || {
		echo "no build/demo.svg in Debian $release as $user"
		bad=1
	}
	rm -rf --one-file-system "${bare[root]}"
}

# In either order, in either release. With CCACHE_DIR set, that cache is used; without,
# it takes as long as it takes anybody.
check lab.bare named
check_lab_bare() {
	local bad=0 release

	scratch
	for release in bookworm trixie; do
		bare_commands $release root demo test || return
		bare_commands $release lab test demo || return
	done
	return $bad
}
