# shellcheck shell=bash
# Kernels: stock from the base, patched and debug from the tree with the series.
use commits

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
