# shellcheck shell=bash
# What the kernel's own tools say of the series: checkpatch, get_maintainer, the documentation.
use export

check series.checkpatch all
check_series_checkpatch() {
	local file bad=0

	needs_series
	scratch
	need pod2man:perl python3:python3 /usr/lib/python3/dist-packages/ply:python3-ply /usr/lib/python3/dist-packages/git:python3-git
	export_series "$work/out" '' '' || return
	# No sign-off is ours to give. FILE_PATH_CHANGES asks, for every new file, whether
	# MAINTAINERS knows it; one entry there covers all of ours. EXECUTE_PERMISSIONS
	# takes a program without a suffix for a source file; tools/mm has others. There
	# is no history here to look a commit up in.
	for file in "$work/out"/[0-9]*.patch; do
		[[ $file != */0000-* ]] || continue
		(cd "$base" && perl scripts/checkpatch.pl --strict --no-signoff --no-summary --terse --showfile \
			--show-types --ignore FILE_PATH_CHANGES,EXECUTE_PERMISSIONS,UNKNOWN_COMMIT_ID "$file") >"$work/said" || bad=1
		sed "s|^|$(basename "$file" | cut -c1-4): |" "$work/said"
	done
	return $bad
}

# get_maintainer.pl knows whom each patch is for, and the entry of the series
# in MAINTAINERS has all of our own files. A patch for another subsystem alone,
# such as the scheduler's, need not name linux-mm: git send-email --cc does.
check series.maintainers all
check_series_maintainers() {
	local file pattern known bad=0

	needs_series
	scratch
	need pod2man:perl
	export_series "$work/out" '' '' || return
	owners "$work/owners" || return
	mini_repo "$work/ours" "$work/owners" || return
	for file in "$work/out"/[0-9]*.patch; do
		[[ $file != */0000-* ]] || continue
		(cd "$base" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --mpath "$work/ours/MAINTAINERS" "$file") \
			>"$work/said" 2>&1 && grep -qE '\((maintainer|supporter):' "$work/said" &&
			{ grep -q '^linux-mm@' "$work/said" || ! grep -qE '^diff --git a/(mm|lib|tools)/' "$file"; } || {
			echo "get_maintainer.pl on ${file##*/}:"
			cat "$work/said"
			bad=1
		}
	done
	awk '/^OOM REAPER$/ { ours = 1 } /^$/ { ours = 0 } ours && $1 == "F:" { print $2 }' "$work/ours/MAINTAINERS" >"$work/patterns"
	while read -r file; do
		known=
		while read -r pattern; do
			# shellcheck disable=SC2053 # MAINTAINERS has patterns
			[[ $file != $pattern && ($pattern != */ || $file != "$pattern"*) ]] || known=1
		done <"$work/patterns"
		[ -n "$known" ] || {
			echo "$file is not in MAINTAINERS' entry OOM REAPER"
			bad=1
		}
	done < <(cut -d' ' -f2 "$work/owners")
	return $bad
}

# The kernel's own documentation build has nothing to say about our pages.
check series.docs all
check_series_docs() {
	local page bad=0

	needs_series
	scratch
	need make:make gcc:gcc pod2man:perl python3:python3 sphinx-build:python3-sphinx \
		/usr/lib/python3/dist-packages/yaml:python3-yaml
	update_patched
	PYTHONDONTWRITEBYTECODE=1 make -C "$build/patched" htmldocs SPHINXDIRS=admin-guide/mm O="$work/docs" >"$work/said" 2>&1 || {
		tail -n 20 "$work/said"
		return 1
	}
	for page in $({ own_files && for p in $(series_list); do patch_touches "$patches/$p"; done; } |
		grep '^Documentation/admin-guide/mm/.*\.rst$' | sort -u); do
		! grep -F "$page:" "$work/said" || bad=1
		page=${page#Documentation/}
		[ -s "$work/docs/Documentation/output/${page%.rst}.html" ] || {
			echo "no page of $page"
			bad=1
		}
	done
	return $bad
}
