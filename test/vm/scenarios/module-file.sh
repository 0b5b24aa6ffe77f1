#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A file on the kernel's NVMe copied to and from a user-driven one through that one's CMB: module-file BACKEND works|refused [MIB]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/trace.sh"
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

# witnessed WHAT ARGS...: a copy that reports no byte in host memory, and QEMU agrees: all of the data
# crosses the CMB twice, once from its own controller and once from the other, and but for what the
# file system says about the file, nothing comes by memory of the host.
witnessed() {
	local bar own peer host
	qemu_trace 'pci_nvme_map_addr pci_nvme_mmio_write' trace_iommu map file_copy "${@:2}" --no-verify ||
		fail "$1: $out"
	grep -q '"host_dram_addressed_bytes": 0,' /tmp/report || fail "$1: not 0 bytes in host DRAM: $out"
	bar=$(sed -n 3p "/sys/bus/pci/devices/$b/resource" | cut -d' ' -f1)
	read -r _ own _ peer _ host < <("$PL_VM/guest/dma_by_memory.py" "$trace" $tracing/trace \
		"$bar" $((64 << 20)) "$(cmb_base)")
	[ "$own" -ge $((mib << 20)) ] && [ "$peer" -ge $((mib << 20)) ] && [ "$host" -lt $((mib << 14)) ] ||
		fail "$1: by QEMU's trace $own bytes by its CMB, $peer by the peer's, $host by host memory"
	said+=("$1: own CMB $own, peer $peer, host $host bytes by QEMU's trace")
}
said=()

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
witnessed forth file:/mnt/image "$b" --via dst
[ "$(digest "$b" "$mib")" = "$(sha256sum </mnt/image | cut -d' ' -f1)" ] ||
	fail "the kernel's driver reads other data than the file's"
to_module "$b"
file_copy "$b:1:0+$((mib << 11))" file:/mnt/back --via src || fail "controller to file: $out"
rm /mnt/back
witnessed back "$b:1:0+$((mib << 11))" file:/mnt/back --via src
echo 3 >/proc/sys/vm/drop_caches
cmp /mnt/image /mnt/back || fail "what came back differs"
pool_whole "$b" || fail "p2pmem is left over"
umount /mnt
to_kernel "$b"
unload_module
pass "$backend: $mib MiB of a file peer to peer, digests equal; $(printf '%s; ' "${said[@]}")"
