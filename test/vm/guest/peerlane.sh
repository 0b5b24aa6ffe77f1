# SPDX-License-Identifier: BSD-3-Clause
# What scenarios that run Peerlane's programs share; sourced after lib.sh.

nvme_copy=$PL_BUILD/examples/nvme_copy/nvme_copy
testpmd=$PL_BUILD/app/testpmd/peerlane-testpmd
# --iommu for the programs; a scenario's first argument.
backend=iommufd

# Whether peers can be reached with this backend on this kernel (FACTS: a dma-buf of a BAR can enter
# an iommufd address space from Linux 6.19 on; type1 maps a BAR as it is).
p2p_possible() {
	local version
	[ "$backend" = type1 ] && return 0
	version=$(uname -r)
	[ "$(printf '%s\n' 6.19 "$version" | sort -V | head -n 1)" = 6.19 ]
}

# block_of BDF: namespace 1. The kernel numbers disks as it finds them, in any order.
block_of() {
	wait_until nvme_ready "$1" || fail "$1: the kernel's driver shows no namespace"
	first_ns "$1"
}
first_ns() {
	local block nsid
	for block in $(nvme_blocks "$1"); do
		{ read -r nsid <"/sys/block/${block##*/}/nsid"; } 2>/dev/null
		[ "$nsid" != 1 ] || echo "$block"
	done
}
nvme_ready() {
	local block
	block=$(first_ns "$1")
	[ -n "$block" ] && [ -b "$block" ] && dd if="$block" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
}

# to_driver BDF DRIVER, to_kernel BDF, to_user BDF: who drives the controller. For user space that is
# vfio-pci unless a scenario says otherwise.
user_driver=vfio-pci
to_driver() {
	is_driver "$1" "$2" || bind_driver "$1" "$2" || fail "$1: could not be bound to $2"
}
to_kernel() { to_driver "$1" nvme; }
to_user() { to_driver "$1" "$user_driver"; }

# fill BDF MIB [AT]: random data by the kernel's driver, from the AT'th MiB on; poison BDF MIB: a byte
# that no test writes.
fill() {
	to_kernel "$1"
	dd if=/dev/urandom of="$(block_of "$1")" bs=1M count="$2" seek="${3:-0}" oflag=direct \
		status=none || fail "$1: cannot be filled"
}
poison() {
	to_kernel "$1"
	tr '\0' '\252' </dev/zero | dd of="$(block_of "$1")" bs=1M count="$2" iflag=fullblock \
		oflag=direct status=none || fail "$1: cannot be poisoned"
}

# digest BDF MIB [AT]: what the kernel's driver reads, past its caches.
digest() {
	to_kernel "$1"
	dd if="$(block_of "$1")" bs=1M count="$2" skip="${3:-0}" iflag=direct status=none |
		sha256sum | cut -d' ' -f1
}

lba_size() {
	to_kernel "$1"
	blockdev --getss "$(block_of "$1")"
}

# What copy() hands to the EAL: BDF[,ARGS]; set it before, or every controller is.
devices=()

# copy SRC DST ARGS...: output in $out.
copy() {
	local args=() device
	if [ ${#devices[@]} -eq 0 ]; then
		mapfile -t devices < <(nvme_bdfs)
	fi
	for device in "${devices[@]}"; do
		[[ $device = nvme_emu* ]] || to_user "${device%%,*}"
		[[ $device = nvme_emu* ]] && args+=(--vdev "$device") || args+=(-a "$device")
	done
	out=$("$nvme_copy" -l 0 -m 64 --iommu="$backend" "${args[@]}" -- "$@" 2>&1)
}

# udev as meson install sets it up, its rule for the group nogroup (65534) that every machine has.
start_udev() {
	local udevd=/lib/systemd/systemd-udevd
	[ -x $udevd ] || skip "no systemd-udevd"
	mkdir -p /run/udev/rules.d
	sed 's/peerlane/nogroup/g' "$PL_BUILD/config/60-peerlane.rules" >/run/udev/rules.d/60-peerlane.rules
	pidof systemd-udevd >/dev/null || $udevd --daemon
	udevadm trigger --subsystem-match=vfio-dev --subsystem-match=vfio
	udevadm trigger --sysname-match=iommu
	udevadm settle
}

# in_group NODE...: given to nogroup by the rule.
in_group() {
	local node
	for node in "$@"; do
		[ "$(stat -c '%G %a' "$node")" = "nogroup 660" ] ||
			fail "$node is $(stat -c '%U:%G %a' "$node") after the udev rule"
	done
}
