#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Tests of tools/mm/oom-timeline on what kernels in guests have recorded, in
# lab.d/timeline/: NAME.trace and NAME.log give NAME.txt. Prints what is wrong.
# --update writes the texts anew; look at the difference before committing it.
set -euo pipefail

top=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
tool=$top/tools/mm/oom-timeline
samples=$top/lab.d/timeline
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
bad=0

complain() {
	printf '%s\n' "$*"
	bad=1
}

# expect STATUS PATTERN ARGS...: the exit status, and one line on stderr that
# matches (none if PATTERN is empty).
expect() {
	local status=$1 pattern=$2 got=0

	shift 2
	"$tool" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
	[ "$got" -eq "$status" ] || complain "oom-timeline $*: exit status $got, not $status"
	if [ -z "$pattern" ]; then
		[ ! -s "$work/err" ] || complain "oom-timeline $*: says $(cat "$work/err")"
	elif [ "$(grep -c '' "$work/err")" -ne 1 ] || ! grep -q "^oom-timeline: .*$pattern" "$work/err"; then
		complain "oom-timeline $*: not one line about \"$pattern\", but: $(head -n 5 "$work/err")"
	fi
}

same() {
	diff "$1" "$2" || complain "$3"
}

# What was recorded, against what is written here about it.
cd "$samples"
for trace in *.trace; do
	name=${trace%.trace}
	files=("$trace")
	[ ! -e "$name.log" ] || files+=("$name.log")
	expect 0 '' "${files[@]}"
	if [ "${1-}" = --update ]; then
		cp "$work/out" "$name.txt"
	else
		same "$name.txt" "$work/out" "$name: other than $name.txt"
	fi
	# The order of the files does not matter.
	expect 0 '' "${files[@]: -1}" "${files[0]}"
	[ ${#files[@]} -eq 1 ] || same "$name.txt" "$work/out" "$name: files in the other order"
	expect 0 '' --json --svg "$work/svg" "${files[@]}"
	python3 -m json.tool <"$work/out" >/dev/null || complain "$name: --json writes no JSON"
	python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$work/svg" ||
		complain "$name: --svg writes no XML"
done

# Some of the figures, so that an update of the texts cannot lose them.
facts() {
	local name=$1 want=$2 got

	shift 2
	got=$("$tool" --json "$@" 2>/dev/null | python3 -c '
import json, sys
for o in json.load(sys.stdin)["ooms"]:
    for v in o["victims"]:
        print(o["number"], o["asker"]["task"], o["asker"]["sysrq"], v["task"], v["pid"], v["freed_pages"],
              v["kept_pages"], v["outcome"], len(v["passes"]), v["attempts"], end="; ")')
	[ "$got" = "$want" ] || complain "$name: $got"
}
facts dstate '1 hog False victim 55 24592 None reaped 1 None; ' dstate.trace dstate.log
facts mmap_lock '1 hog False victim 56 24594 None reaped 1 None; ' mmap_lock.trace mmap_lock.log
facts giveup '1 kworker/1:1 True victim 52 0 None gave_up 0 5; ' giveup.trace giveup.log
facts group '1 dd False dd 52 11268 None reaped 2 None; 1 dd False dd 54 0 None reaped 1 None; 1 dd False dd 56 6301 None reaped 1 None; ' \
	group.trace group.log
facts mrelease '1 None False victim 52 24595 None reaped 1 None; ' mrelease.trace
facts log '1 hog False victim 55 0 None reaped 0 None; ' dstate.log

# All forms in which a log is had tell the same.
sed -E 's/^\[ *([0-9]+\.[0-9]+)\] (.*)/<6>[\1] \2/' dstate.log >"$work/raw"
sed -E 's/^\[ *([0-9]+\.[0-9]+)\] (.*)/[\1][    T57] \2/' dstate.log >"$work/caller"
sed -E 's/^\[( *[0-9]+\.[0-9]+)\] (.*)/[\1] some-host kernel: \2/' dstate.log >"$work/journal"
sed -E 's/^\[ *([0-9]+)\.([0-9]+)\] (.*)/6,1,\1\2,-;\3/' dstate.log >"$work/kmsg"
sed 's/$/\r/' dstate.log >"$work/crlf"
for form in raw caller journal kmsg crlf; do
	expect 0 '' dstate.trace "$work/$form"
	same dstate.txt "$work/out" "a log in the form $form is understood differently"
done
expect 0 '' --oom 2 burst.trace burst.log
[ "$(grep -c '^OOM ' "$work/out")" -eq 1 ] || complain '--oom 2 shows something else, too'
cat dstate.trace dstate.log >"$work/both"
expect 0 '' "$work/both"
same dstate.txt "$work/out" 'trace and log in one file are understood differently'
"$tool" - <"$work/both" >"$work/out" || complain 'the standard input is not read'
same dstate.txt "$work/out" 'the standard input is understood differently'

# A task may call itself anything.
sed 's/comm=victim/comm=a b) pid=1 <\&>/; s/ hog-57 / x-1 y-57 /' dstate.trace >"$work/comm"
expect 0 '' --svg "$work/svg" "$work/comm"
python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$work/svg" || complain 'odd comm: no XML'
grep -q 'x-1 y-57 needs memory, a b) pid=1 <&>-55 killed' "$work/out" || complain 'odd comm: not shown'

# What cannot be used is told in one line.
: >"$work/empty"
printf '\0\1\2' >"$work/binary"
printf '\x17\x08\x44tracing6\0' >"$work/trace.dat"
printf 'PERFILE2\0' >"$work/perf.data"
gzip -c dstate.trace >"$work/gz"
echo 'hello' >"$work/text"
grep '^#' dstate.trace >"$work/header"
printf '[Thu Nov 20 06:26:23 2025] Out of memory: Killed process 5 (x) total-vm:1kB\n' >"$work/wall"
grep -v 'mark_victim\|_reap' dstate.trace | grep -v '^#' >"$work/quiet"
head -c 1500 dstate.trace >"$work/cut"
grep -v process_exit dstate.trace >"$work/filtered"
expect 1 'No such file' "$work/nothing"
expect 1 'Is a directory' "$work"
expect 1 'is empty' "$work/empty"
expect 1 'is empty' -
expect 1 'is no text' "$work/binary"
expect 1 'trace-cmd report' "$work/trace.dat"
expect 1 'perf script' "$work/perf.data"
expect 1 'is compressed' "$work/gz"
expect 1 'neither a trace nor a kernel log' "$work/text"
expect 1 'without an event' "$work/header"
expect 1 'dmesg without -T' "$work/wall"
expect 1 'no OOM kill' "$work/quiet"
expect 1 'truncated: it ends in the middle' "$work/cut"
expect 1 'truncated or filtered' "$work/filtered"
grep -q 'victim-55' "$work/out" || complain 'of a filtered trace nothing is shown'
expect 1 'no OOM 7: 1 found' --oom 7 dstate.trace
expect 1 'No such file' --svg "$work/no/such" dstate.trace
for arguments in '' '--live x' '--count 1 x' '--live --count 0' '--oom x y' '--page-size 5 x' '--wrong'; do
	status=0
	# shellcheck disable=SC2086 # some words
	"$tool" $arguments >"$work/out" 2>"$work/err" </dev/null || status=$?
	if [ $status -eq 2 ] && grep -q '^usage: ' "$work/err"; then continue; fi
	complain "oom-timeline $arguments: status $status, $(head -n 2 "$work/err")"
done
"$tool" --help | grep -q '^usage: oom-timeline' || complain '--help has no usage'
"$tool" dstate.trace | head -n 1 >/dev/null || complain 'a closed pipe is an error'

# Damaged input may give a wrong timeline, but no traceback.
python3 - "$tool" ./*.trace ./*.log <<'P' || bad=1
import importlib.machinery, importlib.util, io, random, sys
loader = importlib.machinery.SourceFileLoader('timeline', sys.argv[1])
spec = importlib.util.spec_from_loader('timeline', loader)
timeline = importlib.util.module_from_spec(spec)
loader.exec_module(timeline)
data = [open(name, 'rb').read() for name in sys.argv[2:]]
for seed in range(150):
    random.seed(seed)
    piece = bytearray(b''.join(random.sample(data, 2)))
    for _ in range(random.choice((1, 20, 400))):
        at = random.randrange(len(piece))
        how = random.randrange(4)
        if how == 0:
            del piece[at:at + random.randrange(200)]
        elif how == 1:
            piece[at:at] = piece[:random.randrange(200)]
        elif how == 2:
            piece[at] = random.randrange(1, 256)
        else:
            piece[at:at] = str(random.randrange(10 ** random.randrange(1, 25))).encode()
        piece = piece or bytearray(b'x')
    try:
        given = timeline.Input()
        given.take('x', bytes(piece))
        svg = timeline.Svg()
        for oom in timeline.understand(given).ooms:
            timeline.show_text(oom, io.StringIO())
            timeline.json.dumps(timeline.as_json(oom))
            svg.oom(oom)
        svg.render()
    except timeline.Fail:
        pass
    except Exception as err:
        print('damaged input, seed %d: %s: %s' % (seed, type(err).__name__, err))
        sys.exit(1)
P
exit $bad
