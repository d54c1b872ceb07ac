# shellcheck shell=bash
# lab test exact: instructions must not become more.
use exact exact-judge

check exact.figures all stock patched
check_exact_figures() {
	local dir file committed bad=0

	# shellcheck disable=SC2119 # nothing but what every guest needs
	needs_guest
	need gcc:gcc
	dir=$build/exact-test
	file=$top/lab.d/exact/$(exact_tools)
	measure_exact "$dir" paths
	committed=$file
	if [ ! -e "$file" ]; then
		committed=
		echo "note: beside stock only, as no figures are committed for $(exact_tools)"
	elif ! grep -qx "# Linux $(base_version)" "$file"; then
		committed=
		echo "note: beside stock only, as the committed figures are not of $(base_version)"
	fi
	judge_exact "$dir" "$committed" || bad=1
	return $bad
}
