#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that QEMU's NVMe controllers moved by DMA, by the memory that was crossed.

    dma_by_memory.py TRACE MAPS BAR_START BAR_LEN CMB_BASE

TRACE is QEMU's (pci_nvme_map_addr: every piece of data that a command reads or writes, by the address
in the command), MAPS is the kernel's tracepoint iommu:map. An address in the CMB, as its controller was
told where it is, is its own; one that the kernel mapped to the controller's BAR is a peer's; any other
is memory of the host. Prints: own BYTES peer BYTES host BYTES
"""
import bisect
import re
import sys

trace, maps, start, length, base = sys.argv[1], sys.argv[2], *(int(a, 0) for a in sys.argv[3:6])

# The kernel's driver uses addresses again: what counts is whether they ever meant something else.
ranges = []
with open(maps, encoding="utf-8") as lines:
    for line in lines:
        m = re.search(r"iova=(0x[0-9a-f]+) - (0x[0-9a-f]+) paddr=(0x[0-9a-f]+)", line)
        if m:
            first, end, paddr = (int(g, 16) for g in m.groups())
            ranges.append((first, end, start <= paddr < start + length))
peer = sorted((first, end) for first, end, in_bar in ranges if in_bar)
other = sorted((first, end) for first, end, in_bar in ranges if not in_bar)


def within(pieces, at):
    """Whether one of the last pieces that begin at or before @at reaches beyond it."""
    i = bisect.bisect_right(pieces, (at, 1 << 64))
    return any(at < end for _, end in pieces[max(0, i - 64):i])


crossed = {"own": 0, "peer": 0, "host": 0}
with open(trace, encoding="utf-8") as lines:
    for line in lines:
        m = re.match(r"pci_nvme_map_addr addr (0x[0-9a-f]+) len (\d+)", line)
        if not m:
            continue
        at, size = int(m.group(1), 16), int(m.group(2))
        if base <= at < base + length:
            crossed["own"] += size
        elif within(peer, at) and not within(other, at):
            crossed["peer"] += size
        else:
            crossed["host"] += size
print(*(f"{name} {size}" for name, size in crossed.items()))
