#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Somebody unbinds or pulls a controller in use: the program ends with that reason, the other goes on: asked-back BACKEND [DRIVER [pull]]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
backend=${1:?asked-back BACKEND [DRIVER [pull]]} driver=${2:-vfio-pci} pull=${3:-} a=0000:01:00.0 b=0000:02:00.0 said=()

[ "$driver" = vfio-pci ] || load_module

# Who unbinds waits for the program; who pulls does not, but the kernel does.
unbound() {
	timeout 60 bash -c "echo $b >/sys/bus/pci/devices/$b/driver/unbind" &&
		[ ! -e "/sys/bus/pci/devices/$b/driver" ]
}
gone() { [ ! -e "/sys/bus/pci/devices/$b" ]; }
pulled() { qemu_monitor device_del nvme-b && wait_until gone; }

# taken HOW SIGN COMMAND...: takes $b away as soon as COMMAND says SIGN; COMMAND ends with the reason.
taken() {
	local how=$1 sign=$2 pid start
	shift 2
	to_driver "$b" "$driver"
	to_user "$a"
	: >/tmp/out # nor what the last one said
	"$@" >/tmp/out 2>&1 &
	pid=$!
	wait_until grep -q "$sign" /tmp/out || fail "$1 does not run: $(cat /tmp/out)"
	start=$SECONDS
	$how || fail "$1: $b is not $how: $(cat /tmp/out)"
	wait "$pid"
	rc=$?
	[ $rc -eq 1 ] || fail "$1 ended with $rc, not 1: $(cat /tmp/out)"
	grep -q "$b: the kernel wants the device back" /tmp/out || fail "$1: $(cat /tmp/out)"
	said+=("$(basename "$1") $how in $((SECONDS - start)) s")
}

# Each would go on for much longer than anybody waits.
copying=("$nvme_copy" -l 0 -m 64 --iommu="$backend" -a "$a" -a "$b" -- "$a" "$b" --via host -o 4K -q 1)
taken unbound '^plan:' "${copying[@]}"
taken unbound '4 KiB I/Os' "$testpmd" -l 0 -m 64 --iommu="$backend" -a "$b" -- -w randread -o 4K -q 4 -t 600
to_kernel "$b"
fill "$b" 1
# For the last scenario of a guest: the disk does not come back.
[ -z "$pull" ] || taken pulled '^plan:' "${copying[@]}"
[ "$driver" = vfio-pci ] || unload_module
pass "$backend, $driver: the program ended, the controller was given back: $(printf '%s; ' "${said[@]}")"
