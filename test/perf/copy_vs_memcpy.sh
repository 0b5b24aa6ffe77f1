#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How close a P2P copy of 1 GiB between two emulated controllers comes to plain memcpy of the same
# blocks, as often as the devices must move them (medium to CMB, CMB to medium), in the same run.
# Copy and memcpy alternate; printed are every pair, the ratio of the medians, and the best ratio,
# which is what is held against the bound: noise only ever adds time.
#
#   copy_vs_memcpy.sh BUILD_DIR     exit 0 if the best ratio is within the bound, 1 if not, 77 if
#                                   the machine cannot run it
set -euo pipefail

build=${1:?usage: copy_vs_memcpy.sh BUILD_DIR}
size=$((1 << 30))
cmb=$((4 << 20)) # what 32 chunks of 128 KiB take; the copy has a page more for its canary
block=$((128 << 10))
depth=32
rounds=5
bound=1.5

cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
mib=$(sed -n 's/^MemAvailable:[[:space:]]*\([0-9]*\).*/\1/p' /proc/meminfo)
if [ "$mib" -lt $((3 << 20)) ]; then
	echo "$((mib >> 10)) MiB of memory are available, 3072 are wanted"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Media with all their pages, as those of the baseline; a warm-up of a second, then copies for another.
# Prints MiB/s, each byte counted once.
copy() {
	"$build/app/testpmd/peerlane-testpmd" -l "$cpu" --vdev "nvme_emu0,size=$size,populate=1" \
		--vdev "nvme_emu1,size=$size,populate=1,cmb=$((cmb + 4096))" -- \
		-w copy -o "$block" -q "$depth" -a 1 -t 1 --json "$work/copy.json" \
		>"$work/log" 2>&1 || {
		cat "$work/log" >&2
		return 1
	}
	python3 -c '
import json, sys
job = json.load(open(sys.argv[1]))["jobs"][0]
if job["peerlane"]["host_dram_bytes"]:
    sys.exit("the copy went through host DRAM")
print(job["write"]["bw_bytes"] >> 20)' "$work/copy.json"
}

for ((i = 1; i <= rounds; i++)); do
	c=$(copy)
	m=$("$build/test/perf/memcpy_baseline" "$size" "$cmb" "$block" "$depth" 1)
	echo "$c $m"
done >"$work/pairs"

python3 - "$work/pairs" "$bound" <<'PYTHON'
import statistics
import sys

pairs = [[int(word) for word in line.split()] for line in open(sys.argv[1])]
bound = float(sys.argv[2])
for copy, memcpy in pairs:
    print("P2P copy %6d MiB/s, memcpy %6d MiB/s: %.2f times memcpy's time" % (
        copy, memcpy, memcpy / copy))
copy, memcpy = (statistics.median(column) for column in zip(*pairs))
best = min(memcpy / copy for copy, memcpy in pairs)
print("median: P2P copy %d MiB/s, memcpy %d MiB/s, ratio %.2f; best ratio %.2f (bound %.2f)" % (
    copy, memcpy, memcpy / copy, best, bound))
sys.exit(best > bound)
PYTHON
