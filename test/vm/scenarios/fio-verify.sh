#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What fio wrote with a checksum in each block is verified by fio after a copy, and a damaged block is found: fio-verify BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?fio-verify BACKEND} src=0000:01:00.0 dst=0000:02:00.0 mib=4 via=dst
p2p_possible || via=host

# fio_job BDF ARGS...: output in /run/fio.
fio_job() {
	local bdf=$1
	to_kernel "$bdf"
	timeout 120 fio --name=blocks --filename="$(block_of "$bdf")" --rw=randwrite --randseed=7 --bs=4k --size=${mib}M \
		--ioengine=psync --direct=1 --verify=crc32c --thread "${@:2}" >/run/fio 2>&1
}
fio_job "$src" --do_verify=0 || fail "fio cannot write: $(cat /run/fio)"
poison "$dst" $mib
! fio_job "$dst" --verify_only || fail "fio verifies poison"
copy "$src:1:0+$((mib << 11))" "$dst" --via $via -o 64K || fail "$out"
fio_job "$dst" --verify_only || fail "fio does not verify the copy: $(cat /run/fio)"
# One byte of one block, in its middle.
printf '\252' >/tmp/byte
dd if="$(block_of "$dst")" of=/tmp/block bs=4k skip=700 count=1 iflag=direct status=none
was=$(od -An -tu1 -j2048 -N1 /tmp/block)
printf "\\x$(printf %x $((was ^ 1)))" | dd of=/tmp/block bs=1 seek=2048 conv=notrunc status=none
dd if=/tmp/block of="$(block_of "$dst")" bs=4k seek=700 oflag=direct conv=notrunc status=none
! fio_job "$dst" --verify_only || fail "fio does not find a damaged byte"
pass "$backend: $mib MiB of blocks with crc32c, verified by fio after the copy; one damaged bit was found"
