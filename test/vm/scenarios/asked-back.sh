#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Somebody unbinds a controller in use: the program ends with that reason, and the unbinding goes on: asked-back BACKEND [DRIVER]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
backend=${1:?asked-back BACKEND [DRIVER]} driver=${2:-vfio-pci} a=0000:01:00.0 b=0000:02:00.0 said=()

[ "$driver" = vfio-pci ] || load_module

# held_back COMMAND...: unbinds $b as soon as COMMAND says that it is $running.
held_back() {
	local pid start
	bind_driver "$b" "$driver" || fail "$b: could not be bound to $driver"
	to_user "$a"
	"$@" >/tmp/out 2>&1 &
	pid=$!
	wait_until grep -q "$running" /tmp/out || fail "$1 does not run: $(cat /tmp/out)"
	start=$SECONDS
	timeout 60 bash -c "echo $b >/sys/bus/pci/devices/$b/driver/unbind" ||
		fail "$1: the unbinding does not come back: $(cat /tmp/out)"
	wait "$pid"
	rc=$?
	[ $rc -eq 1 ] || fail "$1 ended with $rc, not 1: $(cat /tmp/out)"
	grep -q "$b: the kernel wants the device back" /tmp/out || fail "$1: $(cat /tmp/out)"
	[ ! -e "/sys/bus/pci/devices/$b/driver" ] || fail "$b still has a driver"
	said+=("$(basename "$1") $((SECONDS - start)) s")
}

# Either would go on for much longer than anybody waits.
running='^plan:'
held_back "$nvme_copy" -l 0 -m 64 --iommu="$backend" -a "$a" -a "$b" -- "$a" "$b" --via host -o 4K -q 1
running='4 KiB I/Os'
held_back "$testpmd" -l 0 -m 64 --iommu="$backend" -a "$b" -- -w randread -o 4K -q 4 -t 600
to_kernel "$b"
fill "$b" 1
[ "$driver" = vfio-pci ] || unload_module
pass "$backend, $driver: the program ended and the controller was unbound: $(printf '%s; ' "${said[@]}")"
