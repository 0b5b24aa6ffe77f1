# SPDX-License-Identifier: BSD-3-Clause
# Shared by kernel.sh and run.sh; sourced, not run. The caller sets $prog.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(cd "$vm_dir/../.." && pwd)
cache_root=${XDG_CACHE_HOME:-$HOME/.cache}/peerlane
kernel_cache=$cache_root/kernels

say() { printf '%s: %s\n' "$prog" "$*" >&2; }
die() {
	say "$@"
	exit 2
}

# The packages of config/packages-vm.txt: installed when root lacks them, named otherwise.
need_packages() {
	local wanted installed missing=() pkg
	wanted=$(sed -e 's/#.*//' "$repo_dir/config/packages-vm.txt")
	# shellcheck disable=SC2086
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		sed -n 's/^installed //p') || true # dpkg-query fails when it knows nothing of one of them
	for pkg in $wanted; do
		grep -qxF "$pkg" <<<"$installed" || missing+=("$pkg")
	done
	[ ${#missing[@]} -eq 0 ] && return
	local install=(apt-get install -y --no-install-recommends "${missing[@]}")
	[ "$(id -u)" -eq 0 ] || die "packages are missing; run: sudo ${install[*]}"
	say "installing ${missing[*]}"
	# The lists may be absent (a container) or older than the mirror.
	DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2 ||
		{ apt-get update >&2 && DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2; } ||
		die "could not install: ${missing[*]}"
}
