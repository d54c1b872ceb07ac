# shellcheck shell=bash
# The packages of "lab deb --config small" in a Debian root file system:
# installed, booted to a login, removed.
use deb guest

# Debian's own configuration is taken as it is, but for the compiler's version.
cloud_is_taken() {
	need "$debian_config:linux-config-6.12"
	update_patched
	mkdir "$work/cloud"
	deb_config "$work/cloud" cloud >"$log/config-deb.log" 2>&1 || {
		echo "the configuration fails: see $log/config-deb.log"
		return 1
	}
	xz -dc "$debian_config" >"$work/debian.config"
	! python3 "$base/scripts/diffconfig" "$work/debian.config" "$work/cloud/.config" |
		grep -vE '^[+]| (CC|GCC|LD|AS|PAHOLE|RUSTC)[A-Z_]*VERSION'
}

# debian_root DIR: a small Debian of the host's release, kept as a tar file.
debian_root() {
	local suite tar

	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	tar=$build/deb-test/$suite.tar
	if [ ! -s "$tar" ]; then
		mmdebstrap --quiet --format=tar --variant=minbase \
			--include=systemd-sysv,udev,kmod,initramfs-tools,zstd,login,passwd \
			"$suite" "$tar.new" >"$log/mmdebstrap.log" 2>&1 || {
			echo "mmdebstrap fails: $(grep -m1 '^E:' "$log/mmdebstrap.log"), see $log/mmdebstrap.log"
			return 1
		}
		mv "$tar.new" "$tar"
	fi
	mkdir "$1"
	tar -C "$1" -xpf "$tar"
}

# A module built against the package linux-headers, as dkms does it.
build_module() {
	local root=$1 release=$2

	mkdir "$work/module"
	printf '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n' >"$work/module/lab_module.c"
	echo 'obj-m := lab_module.o' >"$work/module/Makefile"
	make -C "$root/usr/src/linux-headers-$release" M="$work/module" modules >"$log/deb-module.log" 2>&1 || {
		echo "no module can be built with linux-headers: see $log/deb-module.log"
		return 1
	}
	cp "$work/module/lab_module.ko" "$root/root/"
}

# install_packages_in ROOT PACKAGE...: sets release.
install_packages_in() {
	local root=$1 file

	shift
	mkdir "$root/root/packages"
	cp "$@" "$root/root/packages/"
	chroot "$root" sh -c 'dpkg -i /root/packages/*.deb' >"$log/deb-install.log" 2>&1 || {
		echo "dpkg -i fails: see $log/deb-install.log"
		return 1
	}
	rm -r "$root/root/packages"
	release=$(cd "$root/lib/modules" && echo *+oomr)
	for file in "boot/vmlinuz-$release" "boot/initrd.img-$release" "usr/src/linux-headers-$release/Makefile"; do
		[ -e "$root/$file" ] || {
			echo "the packages have brought no $file"
			return 1
		}
	done
	chroot "$root" passwd -qd root
}

# await PATTERN SECONDS: on the guest's console.
await() {
	local until=$((SECONDS + $2))

	until grep -aqE "$1" "$console"; do
		kill -0 "$pid" 2>/dev/null && ((SECONDS < until)) || {
			echo "no \"$1\" on the console: see $console"
			return 1
		}
		sleep 0.5
	done
}

# What is typed after the login; each line is looked for afterwards.
guest_script() {
	cat <<-'C'
		echo
		echo "CHECK release $(uname -r)"
		echo "CHECK reaper $(cat /sys/module/oom_reaper/parameters/enabled)"
		modprobe virtio_net && echo "CHECK modprobe"
		insmod /root/lab_module.ko && echo "CHECK insmod"
		dpkg -r "linux-headers-$(uname -r)" "linux-image-$(uname -r)" >/dev/null && echo "CHECK removed"
		echo "CHECK left $(ls /boot /lib/modules /usr/src | grep -c oomr)"
		poweroff
	C
}

# boot_debian DISK KERNEL INITRD: logs in as root and runs /root/check.sh.
boot_debian() {
	local pid clock
	local -A guest

	guest_defaults
	guest[accel]=tcg
	guest_clock
	mkfifo "$work/keys"
	: >"$console"
	setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -machine pc \
		-accel 'tcg,thread=multi' -cpu max -m 1024M -smp 2 -kernel "$2" -initrd "$3" \
		-drive "if=virtio,format=raw,cache=unsafe,file=$1" -serial stdio \
		-append "root=/dev/vda rw console=ttyS0 panic=-1 $clock" <>"$work/keys" >"$console" 2>&1 &
	pid=$!
	at_exit "guest $pid" "end_guest $pid"
	await 'login: ' 300 || return
	echo root >"$work/keys"
	await '# $' 60 || return
	echo 'sh /root/check.sh' >"$work/keys"
	await '^CHECK left' 120 || return
	await 'Power down' 120
}

check lab.deb named
check_lab_deb() {
	local root console=$log/deb.console list release word bad=0

	[ "$(id -u)" -eq 0 ] || {
		echo 'needs root, to make a Debian root file system'
		return 4
	}
	scratch
	need mmdebstrap:mmdebstrap mke2fs:e2fsprogs python3:python3 "${guest_tools[@]}"
	mkdir -p "$build/deb-test"
	CONFIG='' "$top/lab" deb --config small "$build/deb-test" >"$work/list" || return
	mapfile -t list <"$work/list"
	cloud_is_taken || bad=1
	root=$work/root
	debian_root "$root" || return
	install_packages_in "$root" "${list[@]}" || return
	build_module "$root" "$release" || return
	guest_script >"$root/root/check.sh"
	cp "$root/boot/vmlinuz-$release" "$root/boot/initrd.img-$release" "$work/"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -d "$root" "$work/disk" 3G || return
	boot_debian "$work/disk" "$work/vmlinuz-$release" "$work/initrd.img-$release" || return
	for word in "release $release" 'reaper Y' modprobe insmod removed 'left 0'; do
		tr -d '\r' <"$console" | grep -aqx "CHECK $word" || {
			echo "no \"CHECK $word\" on the console: see $console"
			bad=1
		}
	done
	return $bad
}
