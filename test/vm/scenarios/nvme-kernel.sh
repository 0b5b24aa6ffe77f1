#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The kernel's nvme driver writes each namespace and reads it back, past its caches.
. "$PL_VM/guest/lib.sh"

size=1048576

# Where the three pieces of a namespace lie: its first, middle and last megabyte.
offsets() {
	local bytes
	bytes=$(blockdev --getsize64 "$1")
	echo 0 $((bytes / 2 / size)) $((bytes / size - 1))
}

blocks=$(for bdf in $(nvme_bdfs); do nvme_blocks "$bdf"; done)
[ -n "$blocks" ] || fail "no namespace"
# All are written before any is read: a namespace that aliases another does not stay unseen.
for block in $blocks; do
	for offset in $(offsets "$block"); do
		data=/tmp/$(basename "$block").$offset
		head -c $size /dev/urandom >"$data"
		dd if="$data" of="$block" bs=$size seek="$offset" oflag=direct conv=notrunc status=none ||
			fail "$block: write at $offset MiB"
	done
done
for block in $blocks; do
	for offset in $(offsets "$block"); do
		dd if="$block" bs=$size skip="$offset" count=1 iflag=direct status=none |
			cmp - "/tmp/$(basename "$block").$offset" ||
			fail "$block: other data at $offset MiB than was written"
	done
done
pass "3 MiB written and read back on each of $(wc -w <<<"$blocks") namespaces"
