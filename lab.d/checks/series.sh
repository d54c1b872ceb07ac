# shellcheck shell=bash
# The patches themselves: whose file is whose, do they apply, survive the way to commits
# and back, and the mail.
use commits save-commits export

check series.owners quick
check_series_owners() {
	local file bad=0

	needs_series
	scratch
	owners "$work/owners" || bad=1
	sections_complaints || bad=1
	for file in $(series_parts | cut -d' ' -f1 | uniq | grep -vx -e -); do
		[ -s "$(cover_text "$file")" ] || {
			echo "part $file has no cover letter: $(cover_text "$file")"
			bad=1
		}
	done
	for file in "$patches"/*.patch; do
		series_list | grep -xF "${file##*/}" >/dev/null || {
			echo "${file##*/} is not in patches/6.12/series"
			bad=1
		}
	done
	if grep -l '^Signed-off-by: ' "$patches"/*.patch; then
		echo 'carry a sign-off: whoever mails the series signs it'
		bad=1
	fi
	return $bad
}

check series.applies quick
check_series_applies() {
	local patch

	needs_series
	scratch
	mini_base "$work/tree"
	for patch in $(series_list); do
		apply_patch "$work/tree" "$patches/$patch" 0 || return 1
	done
}

# Byte for byte on the base that the series was made on. On another 6.12.y its
# hunks lie on other lines, and that alone may differ.
check series.roundtrip quick
check_series_roundtrip() {
	local path

	needs_series
	scratch
	owners "$work/owners" || return
	mini_repo "$work/git" "$work/owners" || return
	save_commits "$work/git" "$work/saved" || return
	mkdir "$work/now"
	while read -r path; do
		mkdir -p "$work/now/$(dirname "$path")"
		cp -p "$repo/$path" "$work/now/$path"
	done < <(sort -u "$work/saved/.own" && series_list | sed 's|^|patches/6.12/|' && echo patches/6.12/series)
	rm -f "$work/saved/.own"
	if ! grep -qx "# Made on Linux $(base_version)" "$patches/series"; then
		for path in "$work"/{now,saved}/patches/6.12; do
			sed -i 's/^@@ .*/@@/' "$path"/*.patch
			sed -i '/^#/d' "$path/series"
		done
	fi
	diff -r "$work/now" "$work/saved"
}

check series.mailable all
check_series_mailable() {
	needs_series
	scratch
	export_series "$work/out" '' '' || return
	mini_base "$work/bare"
	commit_base "$work/bare"
	lab_git -C "$work/bare" -c user.name=lab -c user.email=lab@localhost am -q --empty=drop "$work/out"/*.patch || return
	if grep -lE '^(Adds|Part): ' "$work/out"/*.patch; then
		echo 'still carry our trailers'
		return 1
	fi
	# What git am made is what we build.
	owners "$work/owners" || return
	mini_repo "$work/ours" "$work/owners" || return
	lab_git -C "$work/bare" fetch -q "$work/ours" HEAD
	lab_git -C "$work/bare" diff --exit-code --stat HEAD FETCH_HEAD
}
