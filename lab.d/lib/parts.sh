# shellcheck shell=bash
# The parts of the series. patches/6.12/parts names them in their order; in
# patches/6.12/series a line "# part: NAME" begins one, which quilt takes for a comment.
# In build/tree the line "Part: NAME" in a commit's message says to which it belongs:
# that survives a rebase in another order. lab tree writes these lines, lab save makes
# sections of them, and no patch has one.
use series

# "NAME [RFC]" of each, in order.
parts_list() {
	[ ! -e "$patches/parts" ] || sed -e '/^#/d' -e '/^$/d' "$patches/parts"
}

# part_word NAME: what stands in the subjects of its mails.
part_word() {
	local word

	word=$(parts_list | awk -v name="$1" '$1 == name { print $2 }')
	printf 'PATCH%s\n' "${word:+ $word}"
}

# "PART PATCH" for each patch; "-" for one that stands before all parts.
series_parts() {
	[ ! -e "$patches/series" ] || awk -v part=- '
		/^# part: / { part = $3 }
		/^#/ || NF == 0 { next }
		{ print part, $1 }' "$patches/series"
}

has_parts() { grep -qs '^# part: ' "$patches/series"; }

# part_patches NAME
part_patches() { series_parts | awk -v name="$1" '$1 == name { print $2 }'; }

# parts_complaints: reads "PART WHAT" lines, each a patch or a commit, and prints what is
# wrong with the order of their parts; fails if anything is. Without any part it is not.
parts_complaints() {
	awk -v names="$(parts_list | cut -d' ' -f1 | paste -sd' ')" '
		BEGIN { n = split(names, name, " "); for (i = 1; i <= n; i++) number[name[i]] = i }
		{ part = $1; what = $0; sub(/^[^ ]+ /, "", what) }
		part == "-" { early = early == "" ? what : early; next }
		!(part in number) {
			if (!(part in unknown))
				printf "%s: part \"%s\" is not in patches/6.12/parts\n", what, part
			unknown[part] = bad = 1
			next
		}
		early != "" { printf "%s belongs to no part\n", early; early = ""; bad = 1 }
		last && number[part] < number[last] {
			printf "%s, of part %s, stands after part %s: the order is %s\n", what, part, last, names
			bad = 1
			next
		}
		{ last = part }
		END { exit bad }'
}

# The sections that stand in the series file, for parts_complaints: an empty one, or one
# that comes twice, is wrong as well.
sections_complaints() {
	local bad=0 part

	series_parts | parts_complaints || bad=1
	while read -r part; do
		[ -n "$(part_patches "$part")" ] || {
			echo "patches/6.12/series: part $part has no patch"
			bad=1
		}
	done < <(sed -n 's/^# part: //p' "$patches/series" 2>/dev/null)
	while read -r part; do
		echo "patches/6.12/series: part $part is there twice"
		bad=1
	done < <(sed -n 's/^# part: //p' "$patches/series" 2>/dev/null | sort | uniq -d)
	return $bad
}

# is_part NAME: one that has patches, or out.
is_part() {
	[[ $1 =~ ^[a-z][a-z0-9_]*$ ]] && [ -n "$(part_patches "$1")" ] ||
		refuse "no part \"$1\" of the series: $(series_parts | cut -d' ' -f1 | uniq | sed 's/^-$/none/' | paste -sd' ') are known"
}

# with_part PART: the message on stdin, with the line that says so.
with_part() {
	awk -v part="$1" '
		NF { last = $0 }
		{ print }
		END {
			if (part == "-")
				exit
			if (last !~ /^[A-Z][A-Za-z-]*: / || NR < 3)
				print ""
			print "Part: " part
		}'
}

# commit_part DIR COMMIT: what the message says, or "-"; fails if it says two things.
commit_part() {
	local said

	said=$(lab_git -C "$1" log -1 --format=%b "$2" | sed -n 's/^Part: *\([^ ]*\) *$/\1/p' | sort -u)
	[[ $said != *$'\n'* ]] || {
		say "\"$(lab_git -C "$1" log -1 --format=%s "$2")\" says that it belongs to more than one part: ${said//$'\n'/, }"
		return 1
	}
	printf '%s\n' "${said:--}"
}
