#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bring-up, identify, random reads and writes with data compared, on every controller: io BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?io BACKEND} args=()

for bdf in $(nvme_bdfs); do
	to_user "$bdf"
	args+=(-a "$bdf")
done
for workload in randwrite randread; do
	out=$("$testpmd" -l 0 -m 64 --iommu="$backend" "${args[@]}" -- -w $workload -o 16K -q 16 \
		--count 1000 --verify 2>&1) || fail "$workload: $out"
	grep -q '0 mismatches' <<<"$out" || fail "$workload: not verified: $out"
done
pass "$backend: 1000 random writes and reads of 16 KiB each, compared, on $(nvme_bdfs | wc -l) controllers"
