# shellcheck shell=bash
# Mutants: small bugs that a test has to notice. lab.d/mutants/table names them, and
# mutants.patch beside it puts all of them into one kernel; oom_mut= on its command
# line turns one on.
use apply suite

mutants=$top/lab.d/mutants
mutant_files=$build/mutant-files

# mutant_rows [NUMBER]: "NUMBER TESTS WHAT", the table without its comments.
mutant_rows() {
	awk -v n="${1-}" '$1 !~ /^#/ && NF && (n == "" || $1 == n)' "$mutants/table"
}

# read_mutant N: what the table says, into the array that the caller has,
# "local -A mutant": number, tests (a list with commas, or "equivalent"), kernel, what.
read_mutant() {
	local row number tests what

	row=$(mutant_rows "$1")
	[ -n "$row" ] || refuse "no mutant $1: lab mutants --list shows them"
	read -r number tests what <<<"$row"
	mutant=([number]=$number [tests]=${tests#*:} [kernel]=mutants [what]=$what)
	[[ $tests != debug:* ]] || mutant[kernel]=mutants_debug
}

# What the table says must make sense before anything is built.
check_mutant_table() {
	local number tests test name twice
	local -A suite

	twice=$(mutant_rows | cut -d' ' -f1 | sort | uniq -d | head -n 1)
	[ -z "$twice" ] || die "lab.d/mutants/table has mutant $twice twice"
	while read -r number tests _; do
		[[ $number =~ ^[1-9][0-9]*$ ]] || die "lab.d/mutants/table: \"$number\" is no number"
		[ "$tests" != equivalent ] || continue
		for test in ${tests//,/ }; do
			test=${test#*:}
			name=${test%%.*}
			suite_names | grep -xF "$name" >/dev/null || die "lab.d/mutants/table: mutant $number names $test, and there is no suite $name"
			[ "$test" != "$name" ] || continue
			read_suite "$name"
			suite_tests | grep -xF "${test##*.}" >/dev/null || die "lab.d/mutants/table: mutant $number names $test, and there is no such test"
		done
	done < <(mutant_rows)
}

# The files that have mutants.
mutant_paths() { sed -n 's:^+++ b/::p' "$mutants/mutants.patch"; }

# homeless_mutants PATCH: reads what patch(1) said, and prints "NUMBER FILE" of the
# mutants in the hunks that failed.
homeless_mutants() {
	awk '
		NR == FNR {
			if (/^(patching|can.t find) file /) file = $3
			if (/^Hunk #.* FAILED/) { sub("#", "", $2); bad[file, $2] = 1 }
			next
		}
		/^\+\+\+ / { file = substr($2, 3); hunk = 0 }
		/^@@ / { hunk++ }
		/^\+/ && ((file, hunk) in bad) {
			line = $0
			while (match(line, /oom_mut\([0-9]+\)/)) {
				print substr(line, RSTART + 8, RLENGTH - 9), file
				line = substr(line, RSTART + RLENGTH)
			}
		}' - "$1" | sort -un
}

# apply_mutants DIR [forgive]: the patch, and what it calls. Each mutant must have a place.
apply_mutants() {
	local dir=$1 forgive=${2-} patch=$mutants/mutants.patch path out homeless number
	local -A mutant

	for path in $(mutant_paths); do
		[ ! -e "$dir/$path" ] && [ -e "$base/$path" ] || continue
		mkdir -p "$dir/$(dirname "$path")"
		cp --preserve=mode "$base/$path" "$dir/$path"
	done
	mkdir -p "$dir/include/linux" "$dir/mm"
	cp "$mutants/oom_mut.h" "$dir/include/linux/"
	cp "$mutants/oom_mut.c" "$dir/mm/"
	if ! out=$(patch -d "$dir" -p1 -f --no-backup-if-mismatch -r - -i "$patch" 2>&1); then
		homeless=$(homeless_mutants "$patch" <<<"$out")
		while read -r number path; do
			[ -n "$number" ] || continue
			read_mutant "$number"
			say "mutant $number has no place in $path any more: ${mutant[what]}"
		done <<<"$homeless"
		[ -n "$homeless" ] || say "lab.d/mutants/mutants.patch does not apply: $(head -n 1 <<<"$out")"
		[ -n "$forgive" ] || return 1
	fi
	out=$(grep -rhoE 'oom_mut\([0-9]+\)' "$dir" | tr -dc '0-9\n' | sort -u)
	out=$(comm -3 <(mutant_rows | cut -d' ' -f1 | sort -u) <(printf '%s\n' "$out") | tr -d '\t' | paste -sd ' ')
	[ -z "$out" ] || {
		say "lab.d/mutants: the table and the code do not have the same mutants: $out"
		[ -n "$forgive" ] || return 1
	}
}

update_mutants() {
	local fd

	lock mutants fd
	update_tree "$build/mutants" '' apply_mutants
	unlock fd
}

# lab mutants --tree: plain copies to edit; the files of a kernel tree are hard links.
write_mutant_files() {
	local path

	update_patched
	rm -rf "$mutant_files"
	mkdir -p "$mutant_files"
	for path in $(mutant_paths); do
		[ -e "$build/patched/$path" ] || continue
		mkdir -p "$mutant_files/$(dirname "$path")"
		cp --preserve=mode "$build/patched/$path" "$mutant_files/$path"
	done
	apply_mutants "$mutant_files" forgive
	rm "$mutant_files/include/linux/oom_mut.h" "$mutant_files/mm/oom_mut.c"
	say "edit what is in $mutant_files, add files from build/patched as needed, then: lab mutants --save"
}

save_mutant_files() {
	local path

	[ -d "$mutant_files" ] || refuse "there is no $mutant_files: lab mutants --tree makes it"
	update_patched
	(cd "$mutant_files" && find . -type f -printf '%P\n') | sort | while read -r path; do
		diff -u --label "a/$path" --label "b/$path" "$build/patched/$path" "$mutant_files/$path" || :
	done >"$mutants/mutants.patch.new"
	mv "$mutants/mutants.patch.new" "$mutants/mutants.patch"
}

list_mutants() {
	local number tests what

	while read -r number tests what; do
		printf '%3d %s\n    %s\n' "$number" "$what" "${tests//,/ }"
	done < <(mutant_rows)
}

# mutant_sample K SEED: of those that are killed within seconds, and always.
mutant_sample() {
	local n

	for n in $(mutant_rows | awk '$2 ~ /^quick:/ { print $1 }'); do
		printf '%s %d\n' "$(printf '%s %d' "$2" "$n" | sha256sum | cut -c1-16)" "$n"
	done | sort | head -n "$1" | cut -d' ' -f2 | sort -n
}
