# shellcheck shell=bash
# Kernels: stock from the base, patched and debug from the tree with the series.
# shellcheck source=lab.d/patches.sh
. "$top/lab.d/patches.sh"

kinds='stock patched debug'

is_kind() {
	[[ " $kinds " == *" $1 "* ]] || refuse "no kernel \"$1\": $kinds are known"
}

kernel_tree() {
	case $1 in
	stock) printf '%s\n' "$base" ;;
	steps) printf '%s\n' "$build/steps" ;;
	mutants*) printf '%s\n' "$build/mutants" ;;
	*) printf '%s\n' "$build/patched" ;;
	esac
}

# The output folder lies in the source tree: then kbuild names all sources
# relative to it, and ccache knows a file again in another tree or checkout.
kernel_out() {
	case $1 in
	debug) printf '%s\n' "$build/patched/debug" ;;
	mutants_debug) printf '%s\n' "$build/mutants/debug" ;;
	*) printf '%s\n' "$(kernel_tree "$1")/o" ;;
	esac
}

kernel_image() { printf '%s/arch/x86/boot/bzImage\n' "$(kernel_out "$1")"; }

kernel_fragments() {
	printf '%s\n' "$top/lab.d/config/base.config"
	[ "$1" = stock ] || [ ! -e "$top/lab.d/config/patched.config" ] ||
		printf '%s\n' "$top/lab.d/config/patched.config"
	[[ $1 != *debug ]] || printf '%s\n' "$top/lab.d/config/debug.config"
}

# What the kernel's makefiles run. Of perl the essential packages have a part only.
kernel_tools=(gcc:gcc make:make flex:flex bison:bison bc:bc pod2man:perl depmod:kmod ccache:ccache
	/usr/include/stdio.h:libc6-dev /usr/include/gelf.h:libelf-dev /usr/include/openssl/evp.h:libssl-dev)

# A kernel with base.config on a CPU of some 3 GHz.
kernel_cpu_minutes=11

# make_in TREE OUT ARGUMENT...
make_in() {
	local tree=$1 out=$2

	shift 2
	need "${kernel_tools[@]}"
	# By the compiler's own list of dependencies: then what is not in the cache is
	# not preprocessed twice.
	export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$build CCACHE_DEPEND=1
	make -C "$tree" O="$out" ARCH=x86_64 CC='ccache gcc' -j"$jobs" "$@"
}

# The same source gives the same kernel, whoever builds it: the versions of Rust and
# pahole would go into every object's configuration, and they are not used.
same_everywhere=(KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_TIMESTAMP=1970-01-01
	RUSTC=no-rustc PAHOLE=no-pahole)

kernel_make() {
	local kind=$1

	shift
	make_in "$(kernel_tree "$kind")" "$(kernel_out "$kind")" LOCALVERSION="-$kind" "${same_everywhere[@]}" "$@"
}

# install_modules KIND [M=FOLDER]: into .lab-modules, for make_modules_archive.
install_modules() {
	local kind=$1

	shift
	kernel_make "$kind" -s INSTALL_MOD_PATH="$(kernel_out "$kind")/.lab-modules" "$@" modules_install
}

# Of an option that two fragments name, the last one counts.
merge_fragments() {
	awk -F'[= ]' '/^CONFIG_/ { if (!($1 in at)) order[++n] = $1; at[$1] = $0 }
		END { for (i = 1; i <= n; i++) print at[order[i]] }' "$@"
}

# Writes .config anew only when a fragment or the source's Kconfig files changed.
kernel_config() {
	local kind=$1 out tree wanted

	out=$(kernel_out "$kind")
	tree=$(kernel_tree "$kind")
	mkdir -p "$out"
	# shellcheck disable=SC2046
	merge_fragments $(kernel_fragments "$kind") >"$out/.lab-config.new"
	if [ ! -e "$out/.config" ] || ! cmp -s "$out/.lab-config.new" "$out/.lab-config" ||
		[ -n "$(find "$tree" \( -path "$tree/o" -o -path "$tree/debug" -o -path "$tree/check" -o -path "$tree/deb" \) -prune -o -name 'Kconfig*' -newer "$out/.config" -print -quit)" ]; then
		kernel_make "$kind" -s KCONFIG_ALLCONFIG="$out/.lab-config.new" allnoconfig >"$log/config-$kind.log" 2>&1 ||
			die "the configuration of the $kind kernel fails: see $log/config-$kind.log"
		# kconfig leaves the file alone when nothing changed in it.
		touch "$out/.config"
		mv "$out/.lab-config.new" "$out/.lab-config"
	fi
	wanted=$(config_not_taken "$kind")
	[ -z "$wanted" ] || say "the $kind kernel did not take: $wanted"
}

# Options that were asked for and that kconfig did not grant.
config_not_taken() {
	local out

	out=$(kernel_out "$1")
	awk -F= 'NR == FNR { if (/^CONFIG_/) have[$1] = $2; next }
		$2 == "n" ? ($1 in have) : (have[$1] != $2) { printf "%s%s=%s", sep, $1, $2; sep = " " }' \
		"$out/.config" "$out/.lab-config"
}

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
			[[ $1 != mutants* ]] || cat "$top/lab.d/mutants"/{mutants.patch,oom_mut.c,oom_mut.h}
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
	[ ${#builds[@]} -gt 0 ] || at_exit end_builds
	set -m
	background_build "$1" </dev/null &
	set +m
	builds+=($!)
}

background_build() {
	cleanups=()
	trap run_cleanups EXIT
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
