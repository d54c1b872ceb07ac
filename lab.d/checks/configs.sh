# shellcheck shell=bash
# The series on configurations and architectures that the lab does not boot: the
# folders that it touches compile there, without a warning in its lines.
use build

# NAME ARCH COMPILER OPTION..., merged over allnoconfig; "base" is the lab's own.
configs='
tiny x86_64 gcc 64BIT=y
small x86_64 gcc 64BIT=y FUTEX=y SWAP=y BLOCK=y COMPACTION=y
noswap x86_64 gcc 64BIT=y SMP=y FUTEX=y MEMCG=y CGROUPS=y FREEZER=y SUSPEND=y PM=y
i386 i386 gcc SMP=y HIGHMEM64G=y FUTEX=y SWAP=y BLOCK=y TRANSPARENT_HUGEPAGE=y CGROUPS=y MEMCG=y MEMCG_V1=y MODULES=y
rt x86_64 gcc 64BIT=y SMP=y PREEMPT_RT=y FUTEX=y SWAP=y BLOCK=y NUMA=y TRANSPARENT_HUGEPAGE=y CGROUPS=y MEMCG=y CPUSETS=y
clang x86_64 clang base
arm64 arm64 aarch64-linux-gnu-gcc ARM64_64K_PAGES=y FUTEX=y COMPAT=y SWAP=y BLOCK=y TRANSPARENT_HUGEPAGE=y NUMA=y CGROUPS=y MEMCG=y
nommu riscv riscv64-linux-gnu-gcc 64BIT=y NONPORTABLE=y MMU=n FUTEX=y
'

# compile_config NAME ARCH COMPILER OPTION...
compile_config() {
	local name=$1 arch=$2 compiler=$3 cross='' out=$work/$1 make

	shift 3
	case $compiler in
	clang) need clang:clang ld.lld:lld llvm-ar:llvm ;;
	*-gcc)
		need "$compiler:gcc-${compiler%-gcc}"
		cross=${compiler%gcc}
		;;
	esac
	need "${kernel_tools[@]}"
	mkdir "$out"
	if [ "$1" = base ]; then
		merge_fragments "$top"/lab.d/config/{base,patched}.config >"$out/.lab-config"
	else
		printf 'CONFIG_%s\n' EXPERT=y PROC_FS=y SYSCTL=y "$@" >"$out/.lab-config"
	fi
	make=(make -C "$build/patched" O="$out" ARCH="$arch" CROSS_COMPILE="$cross" -j"$jobs")
	[ "$compiler" != clang ] || make+=(LLVM=1)
	"${make[@]}" -s KCONFIG_ALLCONFIG="$out/.lab-config" allnoconfig >"$out/log" 2>&1 &&
		"${make[@]}" W=1 mm/ kernel/ >>"$out/log" 2>&1 || {
		grep -E -m 10 'error:|Error |\*\*\*' "$out/log"
		return 1
	}
	only_ours "$out/log"
}

check series.configs named
check_series_configs() {
	local words bad=0

	needs_series
	scratch
	update_patched
	while read -r -a words; do
		[ ${#words[@]} -gt 0 ] || continue
		compile_config "${words[@]}" || {
			echo "on ${words[0]}: ${words[*]:1}"
			bad=1
		}
		rm -rf "${work:?}/${words[0]}"
	done <<<"$configs"
	return $bad
}
