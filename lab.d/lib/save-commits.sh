# shellcheck shell=bash
# Commits back into patches: the other direction of patches.sh.
use commits parts

# The files that a commit brings into being.
commit_adds() {
	lab_git -C "$1" diff-tree -r --no-commit-id --no-renames --diff-filter=A --name-only "$2"
}

# message_with_adds FILE-OF-ADDED-PATHS: the message on stdin with an Adds: line for
# exactly these files, and without Part:; lines that still hold stay where they are, so that a
# message that needs no change gets none.
message_with_adds() {
	awk -v list="$1" '
		BEGIN {
			while ((getline path < list) > 0)
				added[path] = 1
		}
		# A folder stands for all that the commit adds below it.
		function covers(name,   path, n) {
			for (path in added)
				if (path == name || (name ~ /\/$/ && index(path, name) == 1)) {
					delete missing[path]
					n++
				}
			return n
		}
		{ line[++n] = $0 }
		END {
			for (path in added)
				missing[path] = 1
			last = 0
			for (i = 1; i <= n; i++) {
				if (line[i] ~ /^Part: /)
				continue
			if (line[i] ~ /^Adds: / && !covers(substr(line[i], 7)))
					continue
				out[++last] = line[i]
			}
			while (last > 0 && out[last] == "")
				last--
			for (i = 1; i <= last; i++)
				print out[i]
			more = 0
			for (path in missing)
				sorted[++more] = path
			for (i = 2; i <= more; i++)
				for (j = i; j > 1 && sorted[j] < sorted[j - 1]; j--) {
					t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t
				}
			if (more && last && out[last] !~ /^[A-Z][A-Za-z-]*: /)
				print ""
			for (i = 1; i <= more; i++)
				print "Adds: " sorted[i]
		}'
}

# patch_of_commit DIR COMMIT ADDED: the patch as it is kept in patches/: no
# hash, no index line and no statistics, which change with the base.
patch_of_commit() {
	local dir=$1 commit=$2 added=$3 path exclude=()

	while read -r path; do
		exclude+=(":(exclude,literal)$path")
	done <"$added"
	printf 'From %040d Mon Sep 17 00:00:00 2001\n' 0
	lab_git -C "$dir" log -1 --format=email "$commit" | sed -e 1d -e '/^$/q'
	lab_git -C "$dir" log -1 --format=%b "$commit" | message_with_adds "$added"
	printf -- '---\n\n'
	lab_git -C "$dir" diff-tree -p -U3 --no-renames --no-color --no-ext-diff --no-textconv \
		--diff-algorithm=myers --full-index "$commit^" "$commit" -- . "${exclude[@]}" |
		awk '/^diff --git / { head = 1 } /^@@/ { head = 0 } !(head && /^index /)'
}

# commit_parts DIR: "PART SUBJECT" of each commit. One that says nothing belongs to the
# part of the commit before it.
commit_parts() {
	local commit part last=-

	for commit in $(lab_git -C "$1" rev-list --reverse refs/lab/base..HEAD); do
		part=$(commit_part "$1" "$commit") || return 1
		[ "$part" = - ] || last=$part
		printf '%s "%s"\n' "$last" "$(lab_git -C "$1" log -1 --format=%s "$commit")"
	done
}

# parts_of_commits DIR FILE: into FILE, or out with what is wrong.
parts_of_commits() {
	local wrong

	commit_parts "$1" >"$2" || return 1
	wrong=$(parts_complaints <"$2") || {
		say "${wrong%%$'\n'*} (git rebase -i refs/lab/base; the line \"Part: NAME\" of a message says which part)"
		return 1
	}
	grep -qv '^- ' "$2" || ! has_parts || {
		say 'no commit says to which part it belongs (a line "Part: NAME" in its message), and patches/6.12/series has parts'
		return 1
	}
}

# save_commits DIR OUT: the commits since DIR's base as patches and own files
# below OUT (patches/6.12/..., mm/...).
save_commits() {
	local dir=$1 out=$2 commit n=0 name path added changed where part section=-

	where=$out/patches/6.12
	mkdir -p "$where"
	printf '# Made on Linux %s\n' "$(base_version)" >"$where/series"
	: >"$out/.own"
	[ -z "$(lab_git -C "$dir" rev-list --merges refs/lab/base..HEAD)" ] || {
		say "the branch has a merge in it: a series is a straight line (git rebase)"
		return 1
	}
	lab_git -C "$dir" merge-base --is-ancestor refs/lab/base HEAD || {
		say "the branch does not stand on the base commit: git rebase refs/lab/base"
		return 1
	}
	parts_of_commits "$dir" "$out/.parts" || return 1
	for commit in $(lab_git -C "$dir" rev-list --reverse refs/lab/base..HEAD); do
		n=$((n + 1))
		changed=$(lab_git -C "$dir" diff-tree -r --no-commit-id --no-renames --diff-filter=MDT --name-only "$commit" |
			grep -Fxf "$out/.own" | head -n 1) || :
		[ -z "$changed" ] || {
			say "\"$(lab_git -C "$dir" log -1 --format=%s "$commit")\" changes $changed, which an earlier commit of the series adds: fold it there (git commit --fixup, git rebase -i --autosquash refs/lab/base)"
			return 1
		}
		if lab_git -C "$dir" log -1 --format=%s "$commit" | grep -q '^\(fixup\|squash\|amend\)! '; then
			say "\"$(lab_git -C "$dir" log -1 --format=%s "$commit")\" is not folded yet: git rebase -i --autosquash refs/lab/base"
			return 1
		fi
		added=$out/.added
		commit_adds "$dir" "$commit" >"$added"
		name=$(printf '%04d-%s.patch' "$n" "$(lab_git -C "$dir" log -1 --format=%f "$commit" | cut -c1-52)")
		patch_of_commit "$dir" "$commit" "$added" >"$where/$name"
		part=$(sed -n "${n}s/ .*//p" "$out/.parts")
		[ "$part" = "$section" ] || printf '\n# part: %s\n' "$part" >>"$where/series"
		section=$part
		printf '%s\n' "$name" >>"$where/series"
		while read -r path; do
			mkdir -p "$out/$(dirname "$path")"
			lab_git -C "$dir" show "HEAD:$path" >"$out/$path"
			[ "$(lab_git -C "$dir" ls-tree HEAD -- "$path" | cut -c1-6)" != 100755 ] || chmod +x "$out/$path"
			printf '%s\n' "$path" >>"$out/.own"
		done <"$added"
	done
	rm -f "$out/.added" "$out/.parts"
	[ $n -gt 0 ] || rm "$where/series"
}
