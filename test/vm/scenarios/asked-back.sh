#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Somebody unbinds or pulls a controller in use: the program ends with that reason, the other goes on: asked-back BACKEND [DRIVER [pull]]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
backend=${1:?asked-back BACKEND [DRIVER [pull]]} driver=${2:-vfio-pci} pull=${3:-} a=0000:01:00.0 b=0000:02:00.0 said=()

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

# Pulled: the kernel takes the device away as soon as nobody has it open.
gone() { [ ! -e "/sys/bus/pci/devices/$b" ]; }
pulled() {
	local pid start
	bind_driver "$b" "$driver" || fail "$b: could not be bound to $driver"
	to_user "$a"
	"$@" >/tmp/out 2>&1 &
	pid=$!
	wait_until grep -q "$running" /tmp/out || fail "$1 does not run: $(cat /tmp/out)"
	start=$SECONDS
	qemu_monitor device_del nvme-b || fail "device_del"
	wait "$pid"
	rc=$?
	[ $rc -eq 1 ] && grep -q "$b: the kernel wants the device back" /tmp/out ||
		fail "$1 ended with $rc when $b was pulled: $(cat /tmp/out)"
	wait_until gone || fail "$b is still there"
	said+=("$(basename "$1") $((SECONDS - start)) s after the pull")
}

# Each would go on for much longer than anybody waits.
running='^plan:'
held_back "$nvme_copy" -l 0 -m 64 --iommu="$backend" -a "$a" -a "$b" -- "$a" "$b" --via host -o 4K -q 1
running='4 KiB I/Os'
held_back "$testpmd" -l 0 -m 64 --iommu="$backend" -a "$b" -- -w randread -o 4K -q 4 -t 600
to_kernel "$b"
fill "$b" 1
# For the last scenario of a guest: the disk does not come back.
running='^plan:'
[ -z "$pull" ] || pulled "$nvme_copy" -l 0 -m 64 --iommu="$backend" -a "$a" -a "$b" -- "$a" "$b" --via host -o 4K -q 1
[ "$driver" = vfio-pci ] || unload_module
pass "$backend, $driver: the program ended and the controller was unbound: $(printf '%s; ' "${said[@]}")"
