# shellcheck shell=bash
# What the guest's root file system holds. It is made of several cpio archives,
# which the kernel unpacks one after the other: one for all guests, one with
# stress-ng, one with a kernel's modules, one per run with the command.
use build

guest_files=$build/guest
selftests=$guest_files/kselftest
selftest_tools=(rsync:rsync gcc:gcc make:make /usr/include/stdio.h:libc6-dev /usr/lib32/crt1.o:gcc-multilib
	/usr/include/linux/fuse.h:linux-libc-dev)
archive_tools=(busybox:busybox-static cpio:cpio)

# pack DIR FILE: DIR's content, owned by root whoever packs it, and without the
# time of day: a kernel that unpacks the same files runs the same instructions.
pack() {
	need "${archive_tools[@]}"
	mkdir -p "${2%/*}"
	(cd "$1" && find . -mindepth 1 -exec touch -h -d @1700000000 {} + &&
		find . -mindepth 1 -print0 | sort -z |
		cpio --quiet -0 -o -H newc -R 0:0 --reproducible) >"$2.new"
	mv "$2.new" "$2"
}

# copy_with_libraries ROOT FILE...: each FILE at its own path, and what it is linked to.
copy_with_libraries() {
	local root=$1 file

	shift
	for file; do
		{ ldd "$file" 2>/dev/null || :; } | grep -o '/[^ ]*' || :
	done | sort -u | while read -r file; do
		[ -e "$root/$file" ] || cp -L --parents "$file" "$root"
	done
}

# The selftests are built by the kernel's own makefiles, against the headers of
# the patched kernel; the same binaries then run on every kernel. Given: what to
# do when they do not build, die or say, and the kernel whose tree has them.
build_selftests() {
	local tree out source kind=$2

	tree=$(kernel_tree "$kind") out=$(kernel_out "$kind")
	source=$tree/tools/testing/selftests
	rm -rf "$selftests"
	mkdir -p "$selftests/mm"
	need "${selftest_tools[@]}"
	say "building the selftests"
	kernel_make "$kind" -s headers >"$log/selftests.log" 2>&1 ||
		die "the kernel's headers cannot be made: see $log/selftests.log"
	if [ -e "$source/oom_reaper/Makefile" ]; then
		make -s -j"$jobs" -C "$source" O="$out" TARGETS=oom_reaper SKIP_TARGETS='' FORCE_TARGETS=1 \
			INSTALL_PATH="$selftests" install >>"$log/selftests.log" 2>&1 ||
			broken="the selftests do not build: $(grep -m1 -E 'error:|Error' "$log/selftests.log"), see $log/selftests.log"
	fi
	# All of mm's tests would take minutes and more libraries; one is wanted.
	gcc -O2 -I"$source/../../.." -isystem "$out/usr/include" -I"$source" -I"$tree/tools/include/uapi" \
		-o "$selftests/mm/mrelease_test" "$source/mm/mrelease_test.c" "$source/mm/vm_util.c" \
		>>"$log/selftests.log" 2>&1 ||
		broken="mm/mrelease_test does not build: see $log/selftests.log"
	[ -z "$broken" ] || "$1" "$broken"
}

# make_initramfs [die|say]: see build_selftests.
make_initramfs() {
	local fd made_of broken=''

	need "${archive_tools[@]}" "${selftest_tools[@]}"
	fetch_base
	mkdir -p "$guest_files"
	lock guest fd
	made_of=$({
		cat "$base/.lab-source" "$top/lab.d/guest/init"
		stat -c %Y "$(command -v busybox)" "$(command -v gcc)"
		series_fingerprint
	} | sha256sum)
	if [ "$(cat "$guest_files/.lab-built" 2>/dev/null)" = "$made_of" ]; then
		unlock fd
		return
	fi
	rm -f "$guest_files/.lab-built"
	update_patched
	build_selftests "${1:-die}" patched
	pack_guest
	[ -n "$broken" ] || printf '%s\n' "$made_of" >"$guest_files/.lab-built"
	unlock fd
}

# The archive for all guests.
pack_guest() {
	local root

	root=$guest_files/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,etc,root,lab,dev,proc,sys,tmp}
	install "$(command -v busybox)" "$root/bin/busybox"
	install "$top/lab.d/guest/init" "$root/init"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	cp -r "$selftests" "$root/root/"
	# shellcheck disable=SC2046
	copy_with_libraries "$root" $(find "$selftests" -type f -perm -u+x)
	pack "$root" "$guest_files/base.cpio"
}

# Thirty megabytes with its libraries: only in guests that ask for it.
make_stress_archive() {
	local root=$guest_files/stress-root

	need stress-ng:stress-ng
	[ "$guest_files/stress.cpio" -nt "$(command -v stress-ng)" ] && return
	rm -rf "$root"
	mkdir -p "$root/bin"
	cp "$(command -v stress-ng)" "$root/bin/"
	copy_with_libraries "$root" "$(command -v stress-ng)"
	pack "$root" "$guest_files/stress.cpio"
}

make_modules_archive() {
	local kind=$1 modules

	modules=$(kernel_out "$kind")/.lab-modules
	mkdir -p "$modules"
	# modules_install leaves links to the source tree behind.
	find "$modules" -type l -delete
	pack "$modules" "$guest_files/modules-$kind.cpio"
}
