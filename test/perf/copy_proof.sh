#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What it costs to prove that data landed: copies of 256 MiB between two emulated controllers, through the
# target's CMB, with a nonce in every 4 KiB, in every chunk, and with none. Printed are the CPU's loads from
# the provider per chunk, which are bounded, and the ratio of times, which is not: emulated memory answers at
# once, a real device after a microsecond.
#
#   copy_proof.sh BUILD_DIR     exit 0 if the loads are what doc/proof.md says, 1 if not
set -euo pipefail

build=${1:?usage: copy_proof.sh BUILD_DIR}
cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# copy UNIT: its report
copy() {
	"$build/examples/nvme_copy/nvme_copy" -l "$cpu" --no-huge -m 64 --vdev nvme_emu0,size=256M,populate=1 \
		--vdev nvme_emu1,size=256M,populate=1,cmb=8M -- nvme_emu0 nvme_emu1 --via dst --no-verify \
		--landing-unit "$1" --json "$work/$1.$2" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		return 1
	}
}

for round in 1 2 3; do
	for unit in 4K 128K off; do
		copy "$unit" "$round"
	done
done

python3 - "$work" <<'PYTHON'
import json
import sys

CHUNKS = 2048  # of 128 KiB
units = {"4K": 32, "128K": 1, "off": 0}
runs, ok = {}, True
for unit in units:
    jobs = [json.load(open("%s/%s.%d" % (sys.argv[1], unit, n)))["jobs"][0] for n in (1, 2, 3)]
    runs[unit] = min(job["write"]["runtime"] for job in jobs)
    for job in jobs:
        mine = job["peerlane"]
        proof = mine["proof"]
        landing = CHUNKS * units[unit] + mine["landing_retries"]
        # A look at the provider (5 loads) follows a round in which something completed, and a load a burst
        # of stamps: at most two rounds for each chunk.
        most = landing + 2 * CHUNKS * 5 + (CHUNKS if units[unit] else 0)
        if not landing < proof["device_reads"] <= most:
            print("%s: %d loads, %d to %d expected" % (unit, proof["device_reads"], landing + 1, most))
            ok = False
    print("nonces: %-4s %6.1f loads per chunk" % (unit, proof["device_reads"] / CHUNKS))
print("ratio of times: every 4 KiB %.2f, every chunk %.2f of those without nonces" % (
    runs["4K"] / max(runs["off"], 1e-9), runs["128K"] / max(runs["off"], 1e-9)))
sys.exit(not ok)
PYTHON
