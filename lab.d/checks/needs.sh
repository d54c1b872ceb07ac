# shellcheck shell=bash
# Every tool that a call uses is asked for: the calls run in a clone of which nothing
# has been built, with a PATH that holds what the essential packages bring. apt-get
# is a stand-in: what it "installs" appears in the PATH, and it alone. Compiler,
# make and QEMU are stand-ins as well, so that a call is through in seconds; what
# the kernel's own build wants is found out by lab.bare.
use commits

# What Debian has even where nothing was installed.
essential_commands() {
	local packages

	packages=$(dpkg-query -W -f '${Essential} ${Package}\n' | sed -n 's/^yes //p')
	{
		# shellcheck disable=SC2086 # a list of packages
		dpkg -L $packages apt mawk
		echo /usr/bin/awk
	} | sed -n -E 's|^(/usr)?/s?bin/([^/]+)$|\2|p' | sort -u
}

# "COMMAND PACKAGE" of all that lab ever asks for.
all_needs() {
	grep -hoE '(^|[[:space:](])(/[a-zA-Z0-9/._-]+|[a-z][a-zA-Z0-9._+-]*):[a-z0-9][a-z0-9+.-]*' "$top"/lab.d/*/*.sh |
		tr -d '[:blank:](' | sort -u | tr : ' '
}

# bare_path DIR: fills DIR/bin; DIR/has/ holds what packages bring there.
bare_path() {
	local dir=$1 name path

	mkdir -p "$dir"/{bin,has}
	for name in $(essential_commands); do
		path=$(command -v "$name") || continue
		[[ $path != /* ]] || ln -sf "$path" "$dir/bin/$name"
	done
	[ ! -x /usr/bin/mawk ] || ln -sf /usr/bin/mawk "$dir/bin/awk"
	stand_in apt-get
	stand_in sudo
	mv "$dir/has"/{apt-get,sudo} "$dir/bin/"
	all_needs >"$dir/needs"
	while read -r name _; do
		[[ $name != /* ]] || continue
		path=$(command -v "$name") || path=/bin/true
		ln -sf "$path" "$dir/has/$name"
	done <"$dir/needs"
	kernel_stand_ins "$dir"
}

# stand_in NAME: a program in $dir/has. What it runs itself is found by the PATH that is here.
stand_in() {
	rm -f "$dir/has/$1"
	{
		printf '#!/bin/bash\ncaller="%s" dir=%q\nPATH=%q\n' "\$PATH" "$dir" "$PATH"
		cat "$top/lab.d/checks/stand-ins/$1.sh"
	} >"$dir/has/$1"
	chmod +x "$dir/has/$1"
}

kernel_stand_ins() {
	local dir=$1

	stand_in qemu-system-x86_64
	stand_in gcc
	stand_in cpio
	for name in ccache gnuplot busybox stress-ng shellcheck; do ln -sf /bin/true "$dir/has/$name"; done
	stand_in make
}

# small_base DIR: as much of the kernel's source as the series and the checks look at.
small_base() {
	mini_base "$1"
	cp "$base/Makefile" "$base/MAINTAINERS" "$1/"
	mkdir -p "$1/tools/testing/selftests/mm" "$1/mm" "$1/lib"
	mkdir "$1/scripts"
	# What they find is not the question here, and they take their time.
	echo 'exit 0;' | tee "$1/scripts/checkpatch.pl" >"$1/scripts/get_maintainer.pl"
	cp -r "$base/tools/testing/kunit" "$1/tools/testing/"
}

# small_clone DIR: the repository, with those patches only that bring the tests and tools,
# and of these only what they bring: all of them would take a minute in each call.
small_clone() {
	local patch path

	mkdir "$1"
	(cd "$top" && lab_git ls-files -coz --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$1"
	lab_git -C "$1" init -q
	: >"$work/kept"
	for patch in $(series_list); do
		case $(patch_adds "$patches/$patch") in
		lib/test_oom.c | tools/*)
			echo "$patch"
			patch_adds "$patches/$patch" >>"$work/kept"
			sed -i '/^diff --git /,$d' "$1/patches/6.12/$patch"
			;;
		*) rm "$1/patches/6.12/$patch" ;;
		esac
	done >"$1/patches/6.12/series"
	for path in $(own_files); do
		grep -qFf "$work/kept" <<<"$path" || rm -f "$1/$path"
	done
}

not_found() {
	echo "$1: command not found, in ${FUNCNAME[*]:1:3}" >>"$LAB_SYSROOT/missing"
	return 127
}

# needs_of CALL...: runs one call on the machine in $dir, whose clone is $clone.
needs_of() {
	local status=0

	[ -n "${keep-}" ] || rm -rf "$clone/build"
	find "$dir/bin" -lname "$dir/has/*" -delete
	rm -rf "${dir:?}"/{usr,installed,missing}
	(
		unset CONFIG LAB_REPO
		eval "command_not_found_handle() $(declare -f not_found | sed 1d)"
		export -f command_not_found_handle
		cd "$clone" || exit
		KERNEL_SOURCE=$work/linux.tar LAB_ACCEL=tcg LAB_SYSROOT=$dir PATH=$dir/bin HOME=$work \
			timeout 300 ./lab "$@" >"$work/said" 2>&1 </dev/null
	) || status=$?
	cat "$dir/missing" 2>/dev/null >"$work/missing" || :
	grep -rhE 'command not found|: not found$|^(/usr/bin/)?env: ' "$work/said" "$clone/build/log" >>"$work/missing" || :
	echo "lab $*: $(paste -sd' ' "$dir/installed" 2>/dev/null)" >>"$log/needs.txt"
	if [ -s "$work/missing" ]; then
		printf 'lab %s uses what it has not asked for:\n' "$*"
		sort -u "$work/missing"
		bad=1
	elif [ $status -ne 0 ] && [ "$1" != test ]; then
		printf 'lab %s ends with status %d on a bare machine:\n' "$*" $status
		tail -n 5 "$work/said"
		bad=1
	fi
}

check lab.needs all
check_lab_needs() {
	local bad=0 clone name dir

	command -v dpkg-query >/dev/null || {
		echo 'only Debian knows which packages are essential'
		return 4
	}
	scratch
	dir=$work/path clone=$work/clone
	bare_path "$dir"
	small_base "$work/linux"
	tar -C "$work" -cf "$work/linux.tar" linux
	small_clone "$clone"
	# What each call asks for.
	: >"$log/needs.txt"

	needs_of demo dstate
	needs_of bench --runs 1 burst
	needs_of build stock
	needs_of build
	needs_of boot patched -- true
	needs_of boot stock --add lab -- true
	needs_of series out
	needs_of tree
	keep=1 needs_of save
	needs_of deb --config small
	needs_of test kunit
	needs_of test storm
	needs_of test --kernel stock stuck
	for name in $(check_names); do
		case $name in
		# These run calls of lab, which stand above, or need a machine of their own.
		lab.needs | lab.bare | lab.deb | lab.demo | lab.input | series.boots | series.parts) ;;
		*) needs_of test "$name" ;;
		esac
	done
	return $bad
}
