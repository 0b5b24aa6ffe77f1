#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Nothing is mapped or unmapped after start: the kernel's iommu:map and iommu:unmap events are the same for 10 times the I/O: maps BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/trace.sh"
backend=${1:?maps BACKEND}

for event in map unmap; do
	[ -d $tracing/events/iommu/$event ] || fail "the kernel has no event iommu:$event"
done
for bdf in $(nvme_bdfs); do
	to_user "$bdf"
done

# mapped ARGS...: what a run of testpmd on both controllers mapped and unmapped, from its start to its
# end. In bytes: how many events it takes is a matter of where the pages lie.
mapped() {
	local event
	result=''
	trace_iommu 'map unmap' "$testpmd" -l 0 -m 64 --iommu="$backend" -a 0000:01:00.0 -a 0000:02:00.0 -- "$@" >/tmp/out 2>&1 ||
		fail "$(cat /tmp/out)"
	for event in map unmap; do
		result+=$(grep " $event: " $tracing/trace | sed 's/.* size=//; s/.*unmapped_size=//' |
			awk '{ bytes += $1 } END { printf "%d KiB", bytes / 1024 }')" by $event, "
	done
	awk -F'[ /:]+' '/entries-in-buffer/ { exit $4 != $5 || !$4 }' $tracing/trace ||
		fail "the trace is empty or lost events: $(grep entries $tracing/trace)"
	result=${result%, }
}
mapped -w randread -o 4K -q 32 --count 2000
few=$result
mapped -w randread -o 4K -q 32 --count 20000
[[ $few =~ ^[1-9].*,\ [1-9] ]] || fail "not even start and end were seen: $few"
[ "$few" = "$result" ] || fail "2000 I/Os: $few; 20000 I/Os: $result"
pass "$backend: $few, for 2000 I/Os and for 20000"
