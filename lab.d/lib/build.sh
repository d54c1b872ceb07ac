# shellcheck shell=bash
# Kernels are built: one, or several side by side, with their progress shown.
use kernel mutants

# A kernel with base.config on a CPU of some 3 GHz.
kernel_cpu_minutes=11

# Counts the lines that make prints per object and shows them; of several builds
# at once, one line shows all.
building=''
build_progress() {
	local kind=$1 total=$2 done=0 start=$SECONDS line shown states

	while IFS= read -r line; do
		case $line in
		'  CC '* | '  AS '* | '  LD '* | '  AR '*) done=$((done + 1)) ;;
		*) continue ;;
		esac
		((done % 20 == 0)) || continue
		shown="$kind: $done of about $((done > total ? done : total))"
		if [ -n "$building" ]; then
			printf '%s\n' "$shown" >"$building/$kind"
			states=("$building"/*)
			[ "${states[0]}" = "$building/$kind" ] || continue
			shown=$(cat "${states[@]}" | paste -sd, | sed 's/,/, /g')
		fi
		progress "build $shown objects, $(elapsed $((SECONDS - start)))"
	done
	progress_end
	[ -z "$building" ] || rm -f "$building/$kind"
	printf '%s\n' "$done" >"$log/objects-$kind"
}

# All that a kernel is made of: when it is as it was, make need not be asked.
kernel_fingerprint() {
	{
		cat "$base/.lab-source"
		gcc --version
		# shellcheck disable=SC2046
		cat $(kernel_fragments "$1")
		if [ "$1" = stock ]; then
			cat "$repo/lib/test_oom.c"
		else
			series_fingerprint
			[[ $1 != mutants* ]] || cat "$mutants"/{mutants.patch,oom_mut.c,oom_mut.h}
		fi
	} | sha256sum
}

# The stock kernel gets our module that allocates for tests as well, built beside it:
# else there would be nothing to compare the allocator with.
build_test_module() {
	local dir

	dir=$(kernel_out stock)/.lab-test
	mkdir -p "$dir"
	cp "$repo/lib/test_oom.c" "$dir/"
	printf 'obj-m := test_oom.o\n' >"$dir/Kbuild"
	kernel_make stock M="$dir" modules && install_modules stock M="$dir"
}

# The makefiles of objtool name its files by absolute path: a checkout that was moved
# builds objtool anew, and then every object, as they all depend on it. So the
# same objtool in a new place gets the time of the old one.
keep_objtool() {
	local kind=$1 tree out

	tree=$(kernel_tree "$kind")
	out=$(kernel_out "$kind")
	[ "$(cat "$out/.lab-place" 2>/dev/null || echo "$out")" != "$out" ] &&
		[ -e "$out/tools/objtool/objtool" ] || return 0
	touch -r "$out/tools/objtool/objtool" "$out/.lab-objtool"
	[ -z "$(find "$tree"/tools/{arch,build,include,lib,objtool} -type f -newer "$out/.lab-objtool" -print -quit)" ] || return 0
	kernel_make "$kind" -s tools/objtool >>"$log/build-$kind.log" 2>&1 || return 0
	find "$out/tools/objtool" -newer "$out/.lab-objtool" -exec touch -r "$out/.lab-objtool" {} +
}

# foretell MINUTES KIND...: how long it takes, and how much disk, until MINUTES of work
# with these kernels are done, if they have to be built first.
foretell() {
	local minutes=$1 kind new=0 gb free

	shift
	for kind; do [ -e "$(kernel_image "$kind")" ] || new=$((new + 1)); done
	((new)) || return 0
	gb=$((2 + new))
	minutes=$((minutes + 1 + (new * kernel_cpu_minutes + jobs - 1) / jobs))
	say "building what is not there yet: about $minutes minutes with $jobs jobs at a time, $gb GB below $build"
	free=$(df --output=avail -BG "$build" | tail -n 1 | tr -dc 0-9)
	((free >= gb)) || say "$free GB are free there, and that may not be enough"
}

# What builds in the background is not to go on without us; it has process groups of its own.
builds=()
end_builds() {
	local pid

	for pid in "${builds[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || :; done
}

# start_build KIND: build_kernel in the background; await_builds waits for all of
# them. What it needs has to be installed: nobody could answer sudo there.
start_build() {
	[ ${#builds[@]} -gt 0 ] || at_exit builds end_builds
	set -m
	background_build "$1" </dev/null &
	set +m
	builds+=($!)
}

background_build() {
	own_cleanups
	build_kernel "$1"
}

await_builds() {
	local pid

	for pid in "${builds[@]}"; do
		wait -n || exit 1
	done
	builds=()
}

# build_kernels KIND...: side by side, as linking and packing one keeps one CPU busy.
build_kernels() {
	local kind

	need "${kernel_tools[@]}" git:git patch:patch
	fetch_base
	scratch_dir building building
	for kind; do start_build "$kind"; done
	await_builds
	building=
}

# build_kernel KIND: bzImage and modules, incrementally.
build_kernel() {
	local kind=$1 fd out start=$SECONDS total built version made_of

	need "${kernel_tools[@]}" git:git patch:patch
	fetch_base
	lock "kernel-$kind" fd
	out=$(kernel_out "$kind")
	made_of=$(kernel_fingerprint "$kind")
	if [ "$(cat "$out/.lab-built" 2>/dev/null)" = "$made_of" ]; then
		unlock fd
		return
	fi
	rm -f "$out/.lab-built"
	case $kind in
	stock) ;;
	mutants*) update_mutants ;;
	*) update_patched ;;
	esac
	kernel_config "$kind"
	keep_objtool "$kind"
	total=$(cat "$out/.lab-total" 2>/dev/null || echo 1900)
	if ! kernel_make "$kind" bzImage modules 2>&1 | tee "$log/build-$kind.log" | build_progress "$kind" "$total"; then
		grep -E -m 20 'error:|Error |undefined reference|^make.*\*\*\*' "$log/build-$kind.log" >&2 || :
		die "the $kind kernel does not build: see $log/build-$kind.log"
	fi
	built=$(cat "$log/objects-$kind")
	[ -e "$out/.lab-total" ] || printf '%s\n' "$built" >"$out/.lab-total"
	rm -rf "$out/.lab-modules"
	if [ -s "$out/modules.order" ]; then
		install_modules "$kind" >>"$log/build-$kind.log" 2>&1 ||
			die "the $kind kernel's modules cannot be installed: see $log/build-$kind.log"
	fi
	if [ "$kind" = stock ]; then
		build_test_module >>"$log/build-$kind.log" 2>&1 ||
			die "the module test_oom does not build for the stock kernel: see $log/build-$kind.log"
	fi
	printf '%s\n' "$made_of" >"$out/.lab-built"
	printf '%s\n' "$out" >"$out/.lab-place"
	unlock fd
	version=$(cat "$out/include/config/kernel.release")
	say "kernel $kind: $version, $built objects built in $(elapsed $((SECONDS - start)))"
}
