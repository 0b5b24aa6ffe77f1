#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bring-up, identify, random reads and writes with data compared, on every controller: io BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?io BACKEND}

for bdf in $(nvme_bdfs); do
	to_user "$bdf"
	for workload in randwrite randread; do
		out=$("$testpmd" -l 0 -m 128 --iommu="$backend" -a "$bdf" -- -w "$workload" -o 16K -q 16 \
			--count 2000 --verify 2>&1) ||
			fail "$bdf $workload: $out"
	done
done
pass "$backend: 2000 random writes and reads of 16 KiB each, compared, on $(nvme_bdfs | wc -l) controllers"
