# shellcheck shell=bash
# Debian packages, asked for where their commands are used.

# need COMMAND:PACKAGE... installs the packages whose command is missing. A
# command that is an absolute path stands for a file. LAB_SYSROOT is where
# lab.needs pretends that a bare machine's files are.
need() {
	local pair command missing=()

	for pair; do
		command=${pair%%:*}
		case $command in
		/*) [ -e "${LAB_SYSROOT-}$command" ] || missing+=("${pair#*:}") ;;
		*)
			PATH=$PATH:${LAB_SYSROOT-}/usr/sbin:${LAB_SYSROOT-}/sbin command -v "$command" >/dev/null ||
				missing+=("${pair#*:}")
			;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	# Some bring more than one command.
	mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
	install_packages "${missing[@]}"
}

install_packages() {
	local as_root=()

	command -v apt-get >/dev/null ||
		die "these Debian packages are needed, and there is no apt-get to install them: $*"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "these packages are needed, and without root or sudo they cannot be installed: $*"
		as_root=(sudo)
		[ -t 0 ] || as_root+=(-n)
	fi
	say "installing with apt: $*"
	apt_install() {
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
			install --no-install-recommends "$@" </dev/null >>"$log/apt.log" 2>&1
	}
	: >"$log/apt.log"
	apt_install "$@" && return
	# No package lists, or old ones: fetch them and try once more.
	say "updating apt's package lists"
	"${as_root[@]}" apt-get -qq update </dev/null >>"$log/apt.log" 2>&1 ||
		die "apt-get update failed: $(grep -m1 '^[EW]:' "$log/apt.log" || echo "see $log/apt.log")"
	apt_install "$@" ||
		die "apt-get could not install $*: $(grep -m1 '^E:' "$log/apt.log" || echo "see $log/apt.log")"
}
