#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Peer to peer between controllers no driver has touched; needs --append initcall_blacklist=nvme_init: cold BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?cold BACKEND} src=0000:01:00.0 dst=0000:02:00.0 file=/tmp/emu.img

[ ! -e /sys/bus/pci/drivers/nvme ] ||
	skip "the kernel's nvme driver is there: run with --append initcall_blacklist=nvme_init"
p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
# As at power-on: QEMU's resets leave CMBMSC as another scenario set it.
for bdf in $src $dst; do
	[ ! -e "/sys/bus/pci/devices/$bdf/driver" ] || echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
	echo 1 >"/sys/bus/pci/devices/$bdf/enable" || fail "$bdf: cannot be enabled"
	read -r start _ <"/sys/bus/pci/devices/$bdf/resource"
	busybox devmem $((start + 0x50)) 64 0
	[ "$(nvme_reg "$bdf" 0x3c 32)" = 0 ] || fail "$bdf: CMBSZ is not 0 without CMBMSC.CRE"
	echo 0 >"/sys/bus/pci/devices/$bdf/enable"
done
head -c 1M /dev/urandom >$file
want=$(sha256sum <$file | cut -d' ' -f1)
# First of all the copy between two that are cold: of nothing yet, but by the target's memory.
devices=("$src" "$dst")
copy "$src:1:0+2048" "$dst:1:4096" --via dst -o 64K || fail "cold: $out"
grep -q 'CMB.*(peer to peer)' <<<"$out" || fail "cold, not peer to peer: $out"
devices=("nvme_emu0,path=$file" "$src")
copy nvme_emu0 "$src:1:0+2048" || fail "filling $src: $out"
devices=("$src" "$dst")
for via in dst src; do
	copy "$src:1:0+2048" "$dst" --via $via -o 64K || fail "--via $via: $out"
	grep -q 'CMB.*(peer to peer)' <<<"$out" || fail "--via $via was not peer to peer: $out"
done
# No driver of the kernel's to ask: the image itself, as QEMU wrote it on the host.
[ "$(dd if="$PL_IMAGES/b" bs=1M count=1 iflag=direct status=none | sha256sum | cut -d' ' -f1)" = "$want" ] ||
	fail "the image of $dst does not hold what was copied"
pass "$backend: 1 MiB between two cold controllers by either CMB, found in the target's image"
