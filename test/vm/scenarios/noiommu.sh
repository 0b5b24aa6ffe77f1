#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No IOMMU (--iommu none), and vfio's noiommu mode: exit status 2 and the true reason, no advice that cannot work: noiommu
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
src=0000:01:00.0 dst=0000:02:00.0 bad=() topo=$PL_BUILD/app/topo/peerlane-topo
[ "$PL_IOMMU" = none ] || skip "there is an IOMMU"

# asked NAME REASON: by each backend, and unasked; then --check.
asked() {
	local args
	for args in '' --iommu=iommufd --iommu=type1; do
		# shellcheck disable=SC2086
		out=$("$nvme_copy" -l 0 -m 64 $args -a $src -a $dst -- "$src:1:0+2048" $dst 2>&1)
		rc=$?
		says "$1, ${args:-no --iommu}" 2 "$2"
	done
	out=$("$topo" --check $src 2>&1)
	rc=$?
	says "$1, --check" 1 "$2"
}
# says NAME STATUS REASON: of $rc and $out.
says() {
	[ "$rc" -eq "$2" ] || bad+=("$1: exit status $rc, not $2: $out")
	grep -qi -- "$3" <<<"$out" || bad+=("$1: no '$3' in: $out")
	! grep -qi 'allow_unsafe_interrupts\|isolate MSI\|^Ready' <<<"$out" || bad+=("$1: advice that cannot work: $out")
}

before=$(digest $dst 1)
# The controllers are the kernel's, and vfio-pci would not take them.
asked "no IOMMU" IOMMU
# Taken by vfio-pci all the same, which taints the kernel and protects nothing.
echo 1 >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode || fail "no noiommu mode"
for bdf in $src $dst; do
	echo vfio-pci >/sys/bus/pci/devices/$bdf/driver_override
	echo $bdf >/sys/bus/pci/devices/$bdf/driver/unbind
	echo $bdf >/sys/bus/pci/drivers_probe
	wait_until is_driver $bdf vfio-pci || fail "$bdf cannot be bound to vfio-pci"
done
asked "noiommu mode" 'no-\?IOMMU'
for bdf in $src $dst; do
	to_kernel $bdf
done
[ "$(digest $dst 1)" = "$before" ] || bad+=("something was written")
[ ${#bad[@]} -eq 0 ] || fail "${#bad[@]} times: $(printf '%s\n' "${bad[@]}")"
pass "without an IOMMU and in noiommu mode: exit status 2 with the reason, from nvme_copy and peerlane-topo --check, nothing written"
