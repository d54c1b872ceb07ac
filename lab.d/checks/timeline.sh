# shellcheck shell=bash
# tools/mm/oom-timeline on recorded OOMs.

check lab.timeline all
check_lab_timeline() {
	need python3:python3
	"$top/lab.d/timeline/test.sh"
}
