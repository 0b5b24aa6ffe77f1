#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A file on the kernel's NVMe copied to and from a user-driven one through that one's CMB: module-file BACKEND works|refused
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
backend=${1:?module-file BACKEND works|refused} want=${2:?} a=0000:01:00.0 b=0000:02:00.0 mib=${3:-64}

# As in module-clients: --cpu EPYC has a host bridge on the kernel's list, --cpu max has not.
load_module
poison "$b" "$mib"
to_kernel "$a"
block=$(block_of "$a")
mkfs.ext4 -q "$block" && mount "$block" /mnt || fail "no file system on $block"
dd if=/dev/urandom of=/mnt/image bs=1M count="$mib" oflag=direct status=none || fail "dd"
to_module "$b"

file_copy() {
	out=$("$nvme_copy" -l 0 -m 128 --iommu="$backend" -a "$b" -- "$@" -o 64K --json /tmp/report 2>&1)
}
host_bytes() { grep -o '"host_dram_bytes": *[^,}]*' /tmp/report | head -n 1; }

file_copy file:/mnt/image "$b" --via dst
rc=$?
if [ "$want" = refused ]; then
	[ $rc -eq 2 ] && grep -q 'host bridge' <<<"$out" || fail "--via dst ended with $rc: $out"
	[ "$(digest "$b" 1)" = "$(tr '\0' '\252' </dev/zero | head -c 1M | sha256sum | cut -d' ' -f1)" ] ||
		fail "a refused copy wrote something"
	reason=$(grep -o 'the kernel.s driver cannot.*' <<<"$out")
	to_module "$b"
	file_copy file:/mnt/image "$b" --via auto || fail "--via auto: $out"
	grep -q 'host DRAM' <<<"$out" || fail "--via auto does not say that it goes by the host: $out"
	umount /mnt
	to_kernel "$b"
	unload_module
	pass "$backend: --via dst is refused before the first command ($reason); --via auto says it bounces"
fi
[ $rc -eq 0 ] || fail "file to controller: exit status $rc: $out"
forth=$(host_bytes)
[ "$(digest "$b" "$mib")" = "$(sha256sum </mnt/image | cut -d' ' -f1)" ] ||
	fail "the kernel's driver reads other data than the file's"
to_module "$b"
file_copy "$b:1:0+$((mib << 11))" file:/mnt/back --via src || fail "controller to file: $out"
back=$(host_bytes)
echo 3 >/proc/sys/vm/drop_caches
cmp /mnt/image /mnt/back || fail "what came back differs"
[ "$(p2pmem "$b" available)" = "$(p2pmem "$b" size)" ] || fail "p2pmem is left over"
umount /mnt
to_kernel "$b"
unload_module
pass "$backend: $mib MiB of a file to the controller ($forth) and back ($back), peer to peer, digests equal"
