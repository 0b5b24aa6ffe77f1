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

block_of() {
	local blocks
	wait_until nvme_ready "$1" || fail "$1: the kernel's driver shows no namespace"
	blocks=$(nvme_blocks "$1")
	echo "${blocks%%$'\n'*}"
}
nvme_ready() {
	local block
	block=$(nvme_blocks "$1" | head -n 1)
	[ -n "$block" ] && [ -b "$block" ] && dd if="$block" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
}

# to_kernel BDF, to_user BDF: who drives the controller.
to_kernel() {
	is_driver "$1" nvme || bind_driver "$1" nvme || fail "$1: could not be bound to nvme"
}
to_user() {
	is_driver "$1" vfio-pci || bind_driver "$1" vfio-pci || fail "$1: could not be bound to vfio-pci"
}

# fill BDF MIB: random data by the kernel's driver; poison BDF MIB: a byte that no test writes.
fill() {
	to_kernel "$1"
	dd if=/dev/urandom of="$(block_of "$1")" bs=1M count="$2" oflag=direct status=none ||
		fail "$1: cannot be filled"
}
poison() {
	to_kernel "$1"
	tr '\0' '\252' </dev/zero | dd of="$(block_of "$1")" bs=1M count="$2" iflag=fullblock \
		oflag=direct status=none || fail "$1: cannot be poisoned"
}

# digest BDF MIB: what the kernel's driver reads, past its caches.
digest() {
	to_kernel "$1"
	dd if="$(block_of "$1")" bs=1M count="$2" iflag=direct status=none | sha256sum | cut -d' ' -f1
}

# copy SRC DST ARGS...: with every controller of the topology handed over; output in $out.
copy() {
	local args=() bdf
	for bdf in $(nvme_bdfs); do
		to_user "$bdf"
		args+=(-a "$bdf")
	done
	out=$("$nvme_copy" -l 0 -m 128 --iommu="$backend" "${args[@]}" -- "$@" 2>&1)
}
