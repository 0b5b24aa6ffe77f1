#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A read aimed at an unmapped IOVA: a fault with its address, no memory changed, the controller works on: isolation BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?isolation BACKEND} bdf=0000:01:00.0 iova=0x5000000000

[ "$PL_IOMMU" = intel ] || skip "only the Intel IOMMU's driver reports DMA faults in the kernel's log"
to_user "$bdf"
# Of this run, not of one before it.
mark="peerlane: isolation $BASHPID"
echo "$mark" >/dev/kmsg
out=$("$PL_BUILD/test/vm/programs/isolation" "$bdf" "$iova" -l 0 -m 64 --iommu="$backend" -a "$bdf" 2>&1) ||
	fail "$out"
fault=$(dmesg | sed "1,/$mark\$/d" | grep -i "DMAR:.*DMA Write.*01:00.0.*fault addr ${iova}") ||
	fail "no DMAR fault for $iova; $out; $(dmesg | grep DMAR | tail -n 3)"
pass "$backend: ${fault#*DMAR: }; $out"
