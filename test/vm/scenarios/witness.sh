#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An ext4 file system of 64 MiB copied peer to peer is mounted by the kernel and its files are whole: witness BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?witness BACKEND}
src=0000:01:00.0 dst=0000:02:00.0 mib=64

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
to_kernel "$src"
mkdir /tmp/files /mnt/copy
cp -r "$PL_REPO/lib" /tmp/files/
dd if=/dev/urandom of=/tmp/files/random bs=1M count=24 status=none
mke2fs -q -t ext4 -d /tmp/files "$(block_of "$src")" ${mib}M || fail "mke2fs"
(cd /tmp/files && find . -type f -exec sha256sum {} + | sort) >/tmp/sums
want=$(digest "$src" $mib)
poison "$dst" $mib
copy "$src:1:0+$((mib << 11))" "$dst" --via dst -o 64K || fail "$out"
[ "$(digest "$dst" $mib)" = "$want" ] || fail "the images differ"
mount -t ext4 -o ro,noload "$(block_of "$dst")" /mnt/copy || fail "the copy cannot be mounted"
(cd /mnt/copy && find . -type f -not -path './lost+found/*' -exec sha256sum {} + | sort) |
	cmp -s - /tmp/sums || fail "files on the copy differ"
count=$(wc -l </tmp/sums)
umount /mnt/copy
pass "$backend: ext4 of $mib MiB with $count files, mounted read-only by the kernel, every sha256 equal"
