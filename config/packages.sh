# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
# What Peerlane needs from the distribution, in one place: quickstart.sh and test/run.sh read it.
# To be sourced by bash; names are those of Debian and its derivatives.

pl_packages_build=(
	gcc libc6-dev meson ninja-build pkg-config python3
	libdpdk-dev libnuma-dev libhugetlbfs-dev libhugetlbfs-bin libjansson-dev liburing-dev
)
pl_packages_quickstart=(e2fsprogs)
pl_packages_test=(clang-format libcmocka-dev python3-jsonschema strace valgrind)

# e2fsprogs lives where an ordinary user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

pl_missing_packages() {
	local package

	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s\n' "$package"
	done
}

# Installs those of the named packages that are missing. Who has them all needs no rights; who has
# no rights is told the command.
pl_install_packages() {
	local -a missing as_root=()
	local command log

	if ! command -v dpkg-query >/dev/null; then
		echo "No dpkg here: what Debian calls $* is taken to be installed."
		return 0
	fi
	mapfile -t missing < <(pl_missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	command="apt-get install -y --no-install-recommends ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		if ! sudo -n true 2>/dev/null; then
			echo "Packages are missing, and only root can install them:" >&2
			echo "    sudo apt-get update && sudo $command" >&2
			return 1
		fi
		as_root=(sudo -n)
	fi
	echo "Installing ${missing[*]}"
	log=$(mktemp)
	# A list that cannot be refreshed (another vendor's, say) matters only if the install fails.
	if "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || true
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
			-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
			install --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	cat "$log" >&2
	rm -f "$log"
	echo "Could not install packages; by hand: sudo apt-get update && sudo $command" >&2
	return 1
}

# The first CPU this process may run on: "0" is not it in every container.
pl_first_cpu() {
	sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status
}
