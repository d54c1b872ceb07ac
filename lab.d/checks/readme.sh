# shellcheck shell=bash
# The commands of README.md and INSTALL.md are run as they stand there;
# stand-ins/distributions.sh has those of other distributions.
use export guest suite

# Each block of both as "NUMBER LINE", without the indentation.
readme_lines() {
	awk 'FNR == 1 { inside = 0 }
		/^    / { if (!inside) n++; inside = 1; print n, substr($0, 5); next } { inside = 0 }' "$repo"/{README,INSTALL}.md
}

# readme_block START: the block whose first line begins so.
readme_block() {
	readme_lines | awk -v start="$1" '
		{ line = substr($0, length($1) + 2) }
		$1 != n { n = $1; inside = index(line, start) == 1 }
		inside { print line; found = 1 }
		END { exit !found }'
}

# run_readme DIR START runs a block in DIR, with its paths where they are here.
run_readme() {
	local dir=$1 start=$2 status=0

	{
		printf 'work=%q\n. %q\n' "$work" "$top/lab.d/checks/stand-ins/distributions.sh"
		readme_block "$start" || echo 'echo "no such block"; exit 1'
	} | sed -e "s|/path/to/linux-6.12.y|$work/own|g" -e "s|/path/to/out|$work/out|g" -e "s|^\./lab |$top/lab |" \
		>"$work/script"
	(cd "$dir" && HOME=$work GIT_CEILING_DIRECTORIES=$top GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost \
		bash "$work/script") >"$work/said" 2>&1 </dev/null || status=$?
	[ $status -eq 0 ] || {
		printf 'the block "%s" ends with status %d:\n' "$start" $status
		tail -n 10 "$work/said"
		bad=1
	}
}

# Every way into a kernel or a distribution's package ends at the same source.
check series.ways all
check_series_ways() {
	local bad=0 dir

	needs_series
	scratch
	need quilt:quilt
	owners "$work/owners" || return
	mini_repo "$work/ours" "$work/owners" || return
	mini_base "$work/bare"
	cp -r "$work/bare" "$work/own"
	commit_base "$work/own"
	mkdir "$work"/{debian,fedora,arch}
	echo '# define buildid .local' >"$work/fedora/kernel.spec"
	# The kept ones have comments in their list.
	diff <(series_list) <(cd "$work" && QUILT_PATCHES=$patches QUILT_SERIES=$patches/series quilt series | sed 's|.*/||') || bad=1
	run_readme "$work" './lab series out'
	run_readme "$work/debian" 'apt-get source '
	rm -rf "$work"/debian/linux-6.12.0/{debian,.pc,debian-version}
	run_readme "$work/fedora" '(cd /path/to/out '
	run_readme "$work/arch" 'pkgctl '
	for dir in own debian/linux-6.12.0 fedora/tree arch/linux-lts/tree; do
		diff -rq -x .git "$work/ours" "$work/$dir" || bad=1
	done
	return $bad
}

# guest_python DIR: Python's library for a guest, where oom-timeline needs it.
guest_python() {
	local lib

	need /usr/bin/python3:python3 cpio:cpio
	lib=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
	mkdir -p "$1/lib"
	(cd "${lib%/*}" && find "${lib##*/}" \( -name '*.py' -o -name '*.so' \) -not -path '*/test/*' -not -path '*-packages/*' -print0 |
		cpio --quiet -0 -pdm "$1/lib")
}

# "NAME DEFAULT" of each parameter in the README's table.
readme_parameters() {
	awk -F ' *[|] *' '$2 ~ /^`[a-z_]+`$/ { gsub("`", "", $2); print $2, $4 }' "$repo/README.md"
}

# The script for the guest: oom-timeline waits, an OOM comes, and then the rest.
readme_guest_script() {
	local name value

	echo 'mkdir -p /usr/bin && ln -s /bin/env /usr/bin/env && ln -s /root/python3* /bin/python3'
	printf '%s >live 2>waiting &\n' "$(readme_block 'grep oom_ ' | grep -- ' --live$')"
	# shellcheck disable=SC2016 # for the guest's shell
	echo 'until grep -q waiting waiting || ! kill -0 $!; do sleep 0.1; done'
	echo '(cd kselftest/oom_reaper && ./oom_bench dstate samples=0)'
	# shellcheck disable=SC2016 # for the guest's shell
	echo 'for i in $(seq 100); do grep -q " by the reaper" live && break; sleep 0.1; done; kill $!; cat waiting live'
	readme_block 'grep oom_ ' | grep -v -- ' --live$'
	echo 'cd /sys/module/oom_reaper/parameters'
	readme_parameters | while read -r name value; do
		echo "echo parameter $name \$(cat $name) $value"
	done
}

# What the README says of a running kernel.
readme_in_guest() {
	local pattern
	local -A guest

	guest_python "$work"
	cp -r "$repo/tools" "$work/tools"
	rm -rf "$work/tools/testing"
	guest_defaults
	guest[mem]=640 guest[add]=$work/lib$'\n'$(readlink -f /usr/bin/python3)$'\n'$work/tools
	run_guest readme patched "$(readme_guest_script)"
	for pattern in '^OOM 1 at ' '^  victim-.* by the reaper' '^oom_kill [1-9]' '^oom_reaper_reaped [1-9]' \
		'oom_reaper: reaped process '; do
		grep -q "$pattern" "${guest[out]}" || {
			echo "no \"$pattern\" in what the guest prints: see ${guest[out]}"
			bad=1
		}
	done
	grep -q '^parameter ' "${guest[out]}" || {
		echo "no parameter in what the guest prints: see ${guest[out]}"
		bad=1
	}
	sed -n 's/^parameter //p' "${guest[out]}" | awk '$2 != $3 { printf "%s is %s by default, and %s in the README\n", $1, $2, $3; bad = 1 }
		END { exit bad }' || bad=1
}

# No block of either page that nothing runs.
readme_blocks() {
	local start

	while read -r _ start; do
		case $start in
		# Calls of lab: lab.demo, whoever calls lab test, lab.deb.
		'./lab demo '* | './lab deb'*) ;;
		# series.ways.
		'./lab series '* | 'apt-get source '* | '(cd /path/to/out '* | 'pkgctl '*) ;;
		# Below.
		'grep oom_ '* | 'tools/mm/oom-timeline lab.d/'*) ;;
		# What oom-timeline prints.
		'OOM 1 at '*) ;;
		*)
			echo "nothing runs \"$start\" of README.md or INSTALL.md"
			bad=1
			;;
		esac
	done < <(readme_lines | sort -snuk1,1)
}

# The table "What stock fails" has each of the test programs.
readme_programs() {
	diff <(awk -F ' *[|] *' '/^## / { inside = $0 == "## What stock fails" }
		inside && $2 ~ /^[a-z]/ && $2 != "program" { print $2 }' "$repo/README.md" | sed 's/, /\n/g' | sort) \
		<(test_programs | sort) || {
		echo "above: < in the README's table, > among the test programs"
		bad=1
	}
}

check lab.readme all patched
check_lab_readme() {
	local bad=0 call

	scratch
	need python3:python3
	readme_blocks
	readme_programs
	while read -r call; do
		[[ $("$top/lab" "$call" --help) == 'usage: '* ]] || {
			echo "lab $call --help prints no usage"
			bad=1
		}
	done < <(grep -oh '`\./lab [a-z]*' "$repo"/{README,INSTALL}.md | cut -d' ' -f2 | sort -u)
	mkdir "$work/there"
	ln -s "$repo/tools" "$repo/lab.d" "$work/there/"
	run_readme "$work/there" 'tools/mm/oom-timeline lab.d/'
	grep -q '<svg' "$work/there/oom.svg" || {
		echo 'oom-timeline has drawn no picture'
		bad=1
	}
	readme_in_guest
	return $bad
}

# The README's first command, as it is. Of a page fault no more is after the kill than
# there is of it.
check lab.demo all
check_lab_demo() {
	"$top/lab" demo && grep -q '<svg' "$build/demo.svg" || return
	cat "$build"/demo/*.out | awk '/^RESULT / {
		split("", figure)
		for (i = 2; i <= NF; i++) { split($i, pair, "="); figure[pair[1]] = pair[2] }
		if (figure["after_kill_ms"] > figure["worst_stall_ms"] + 0.1) { print; bad = 1 }
	} END { exit bad }'
}
