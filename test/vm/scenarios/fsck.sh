#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ext4, XFS and Btrfs copied peer to peer are clean for their checkers, which find a damaged one: fsck BACKEND [KIND...]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?fsck BACKEND [KIND...]} kinds=("${@:2}") src=0000:01:00.0 dst=0000:02:00.0 files=/tmp/files
[ ${#kinds[@]} -gt 0 ] || kinds=(ext4 xfs btrfs)
image=/tmp/made got=/tmp/got.img via=dst said=()
p2p_possible || via=host

# make_KIND: a file system with files, in $image of as many MiB as it needs at least; sets $mib, and
# $damage, the byte from which on 4 KiB are lost in the damaged one: of its metadata, since only Btrfs
# has checksums for data.
make_ext4() {
	mib=16 damage=4096 # the block group descriptors
	truncate -s ${mib}M $image
	mkfs.ext4 -q -b 4096 -d $files $image
}
make_xfs() {
	mib=32 damage=0 # superblock and the first allocation group's headers
	truncate -s ${mib}M $image
	{
		printf '/none\n0 0\nd--755 0 0\n'
		(cd $files && for file in *; do echo "$file ---644 0 0 $files/$file"; done)
		echo '$'
	} >/tmp/proto
	# Below 300 MB it is made for tests only.
	mkfs.xfs -q --unsupported -p /tmp/proto $image
}
make_btrfs() {
	mib=48
	truncate -s ${mib}M $image
	mkfs.btrfs -q -m single -d single --rootdir $files $image || return
	# Of the tree that maps all others, whose addresses are the image's own.
	damage=$(btrfs inspect-internal dump-super $image | awk '$1 == "chunk_root" { print $2 }')
}
check_ext4() { e2fsck -fn "$1"; }
check_xfs() { xfs_repair -n "$1"; }
check_btrfs() { btrfs check --readonly --check-data-csum "$1"; }

mkdir -p $files
cp "$PL_REPO"/lib/copy/*.c $files
head -c 2M /dev/urandom >$files/random
for kind in "${kinds[@]}"; do
	rm -f $image
	make_$kind >/run/made 2>&1 || fail "$kind cannot be made: $(cat /run/made)"
	to_kernel "$src"
	dd if=$image of="$(block_of "$src")" bs=1M oflag=direct status=none || fail "$src: cannot be filled"
	poison "$dst" $mib
	copy "$src:1:0+$((mib << 11))" "$dst" --via $via -o 128K || fail "$kind: $out"
	to_kernel "$dst"
	dd if="$(block_of "$dst")" of=$got bs=1M count=$mib iflag=direct status=none
	cmp -s $image $got || fail "$kind: the kernel's driver reads other data than was copied"
	check_$kind $got >/run/fsck 2>&1 || fail "$kind: the copy is not clean: $(tail -n 20 /run/fsck)"
	tr '\0' '\252' </dev/zero | dd of=$got bs=1 count=4096 seek="$damage" iflag=fullblock conv=notrunc status=none
	! check_$kind $got >/run/fsck 2>&1 || fail "$kind: 4 KiB of it are damaged, and its checker sees nothing: $(cat /run/fsck)"
	said+=("$kind of $mib MiB")
done
pass "$backend: clean after the copy, and found when damaged: $(printf '%s; ' "${said[@]}")"
