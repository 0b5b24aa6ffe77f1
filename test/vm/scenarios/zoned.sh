#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A zoned namespace (topology odd) is refused as a target and for random writes, and read right as a source: zoned BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/refused.sh"
backend=${1:?zoned BACKEND} c=0000:03:00.0 door=0000:04:00.0 b=0000:02:00.0
p2p_possible && ways=(dst src host) || ways=(host)

# The kernel does not write a zoned namespace that it was not built for: by the plain door to its medium.
fill "$door" 4
fill "$b" 4
devices=("$c" "$b")
for bdf in "${devices[@]}"; do
	to_user "$bdf"
done
for via in "${ways[@]}"; do
	refused "target by $via" z "$c" zone -- "$b:1:0+2048" "$c:2:0" --via "$via"
done
image z >/tmp/before
out=$("$testpmd" -l 0 -m 64 --iommu="$backend" -a "$c" -- --devices "$c:2" -w randwrite -o 4K -q 1 --count 64 2>&1)
rc=$?
[ $rc -eq 2 ] && grep -qi zone <<<"$out" || bad+=("randwrite: exit status $rc, or no reason: $out")
image z | cmp -s - /tmp/before || bad+=("randwrite: the medium has changed")
# From within a zone, over two ends of zones, to within one, by pieces that do not divide it.
at=100 nlb=6000
for via in "${ways[@]}"; do
	poison "$b" 4
	for size in 128K 12K; do
		to_user "$b"
		copy "$c:2:$at+$nlb" "$b" --via "$via" -o $size || {
			bad+=("source by $via, pieces of $size: $out")
			continue
		}
		image ab $((nlb * 512)) | cmp -s - <(image z $((nlb * 512)) $((at * 512))) ||
			bad+=("source by $via, pieces of $size: the copy is wrong")
	done
done
refused_all "$backend: $refusals copies to it and random writes refused with the reason, nothing written; read right by ${ways[*]}"
