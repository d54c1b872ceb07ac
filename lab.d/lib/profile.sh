# shellcheck shell=bash
# Where the instructions of an exact figure go.
use exact

# build_profiler: the plugin, for this QEMU. From 9 on it wants the second version
# of the interface, which is the same for what is used of it.
build_profiler() {
	local api=1

	[ "$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9]*\).*/\1/p')" -lt 9 ] || api=2
	gcc -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -DPLUGIN_API=$api -o "$build/profile.so" \
		"$top/lab.d/exact/profile.c" || die 'the profiler does not build'
}

# profile_exact NAME FUNCTION[:N] LENGTH MARKS
profile_exact() {
	local name=$1 from=$2 length=$3 mark=$4 skip=0 kind program out
	local -A guest

	prepare_exact
	build_profiler
	[[ $from != *:* ]] || skip=${from#*:} from=${from%%:*}
	mkdir -p "$build/exact"
	for kind in stock patched; do
		program=$(exact_programs patched all | sed -n "s/^$name //p")
		out=$build/exact/profile-$name-$kind.txt
		guest_defaults
		guest[smp]=1 guest[seed]=1 guest[accel]=tcg guest[timeout]=900
		guest[plugin]="file=$build/profile.so,symbols=$(kernel_out "$kind")/System.map,from=$from,skip=$skip,length=$length,mark=$mark,out=$out"
		run_guest "profile-$name" "$kind" "cd /root/kselftest/oom_reaper && exec ./$program"
		guest_failure
		printf '%s, %s:\n' "$name" "$kind"
		sed '/^$/q' "$out"
	done
	say "all of it: $build/exact/profile-$name-{stock,patched}.txt"
}
