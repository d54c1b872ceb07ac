# shellcheck shell=bash
# Warnings of the compiler and of sparse in lines of ours.
use build

# "PATH LINE" for each line of the kernel's files that the series wrote.
added_lines() {
	local path

	for path in $(for p in $(series_list); do patch_touches "$patches/$p"; done | sort -u); do
		[ -e "$base/$path" ] && [ -e "$build/patched/$path" ] || continue
		{ diff -U0 "$base/$path" "$build/patched/$path" || :; } | awk -v path="$path" '
			/^@@/ { split($3, at, ","); n = at[2] == "" ? 1 : at[2]
				for (i = 0; i < n; i++) print path, substr(at[1], 2) + i }'
	done
}

# Compiles what the series touches in a copy of the build, with make's given
# arguments, and prints the warnings that lie in lines of ours.
our_warnings() {
	local out objects=() path

	scratch
	out=$build/patched/check
	rm -rf "$out"
	at_exit "$out" "rm -rf '$out'"
	cp -a --reflink=auto "$(kernel_out patched)" "$out"
	for path in $({ own_files && added_lines | cut -d' ' -f1; } | sort -u); do
		[[ $path == *.c && -e $out/${path%.c}.o ]] || continue
		objects+=("${path%.c}.o")
		rm -f "$out/${path%.c}.o"
	done
	[ ${#objects[@]} -gt 0 ] || {
		echo 'nothing of the kernel is touched yet'
		exit 4
	}
	make_in "$build/patched" "$out" LOCALVERSION=-patched "${same_everywhere[@]}" "$@" "${objects[@]}" >"$work/make" 2>&1 || {
		cat "$work/make"
		return 1
	}
	printf '%s\n' "${objects[@]}" >&2
	only_ours "$work/make"
}

# only_ours FILE: the warnings in what make said that lie in lines of ours; fails
# if there are any.
only_ours() {
	awk -v own="$(own_files | tr '\n' ' ')" '
		BEGIN { n = split(own, list, " "); for (i = 1; i <= n; i++) ours[list[i]] = 1 }
		NR == FNR { added[$1 ":" $2] = 1; next }
		/(warning|error):/ {
			line = $0
			sub(/^(\.\.\/)+/, "", line)
			split(line, at, ":")
			if (at[1] in ours || (at[1] ":" at[2]) in added) { print; bad = 1 }
		}
		END { exit bad }' <(added_lines) "$1"
}

check source.warnings quick patched
check_source_warnings() { our_warnings W=1; }

check source.sparse quick patched
check_source_sparse() {
	need sparse:sparse
	our_warnings C=2 CF=-D__CHECK_ENDIAN__
}
