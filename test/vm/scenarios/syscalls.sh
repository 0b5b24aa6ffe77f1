#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No system call per I/O on a vfio controller, no map or unmap after start: syscalls BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?syscalls BACKEND} bdf=0000:01:00.0
command -v strace >/dev/null || skip "strace is not installed"

to_user "$bdf"
# calls COUNT: system calls of the whole process for that many reads.
calls() {
	strace -f -c -o /tmp/strace "$testpmd" -l 0 -m 128 --iommu="$backend" -a "$bdf" -- \
		-w randread -o 4K -q 32 --count "$1" >/tmp/out 2>&1 || fail "$(cat /tmp/out)"
	awk '$NF == "total" { print $4 }' /tmp/strace
}
ioctls() { awk '$NF == "ioctl" { print $4 }' /tmp/strace; }
few=$(calls 1000) few_ioctls=$(ioctls)
many=$(calls 101000) many_ioctls=$(ioctls)
[ "$few_ioctls" = "$many_ioctls" ] || fail "ioctls: $few_ioctls for 1000 I/Os, $many_ioctls for 101000"
# Timers of the runtime may add a few; one call per thousand I/Os would be a hundred.
[ $((many - few)) -lt 50 ] || fail "$few system calls for 1000 I/Os, $many for 101000"
pass "$backend: $((many - few)) more system calls for 100000 more I/Os, $many_ioctls ioctls either way"
