#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A file on the kernel's NVMe by O_DIRECT into CMB of the module's, by us and by fio: module-clients works|refused
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
want=${1:?module-clients works|refused} a=0000:01:00.0 b=0000:02:00.0 kib=2048

# Which host bridges pass traffic between their root ports the kernel's p2pdma knows by a list: AMD
# from Zen on (--cpu EPYC) is on it, QEMU's own (--cpu max) is not.
load_module
to_kernel "$a"
to_module "$b"
block=$(block_of "$a")
mkfs.ext4 -q "$block" && mount "$block" /mnt || fail "no file system on $block"
dd if=/dev/urandom of=/mnt/file bs=1M count=$((kib / 1024)) oflag=direct status=none || fail "dd"

# Each in its own process: the pool is whole again when it ends.
said=()
for how in chunk sysfs; do
	out=$("$programs/p2pmem_client" "$b" $how /mnt/file /mnt/copy-$how $((kib * 1024)) 2>&1)
	rc=$?
	case $want in
	works)
		[ $rc -eq 0 ] || fail "$how: $out"
		cmp /mnt/file /mnt/copy-$how || fail "$how: the copy differs"
		;;
	refused) [ $rc -eq 3 ] || fail "$how: exit status $rc instead of a refusal: $out" ;;
	esac
	said+=("$how: $out")
done

# Somebody else's client of the kernel's interface. Data is verified where it is: in p2pmem.
verify=(--name=v --filename=/mnt/fio --size=1M --bs=16k --direct=1 --rw=randwrite --verify=crc32c
	--verify_fatal=1 --randrepeat=0 --thread --output-format=terse)
for engine in psync libaio io_uring; do
	out=$(fio "${verify[@]}" --ioengine=$engine --iodepth=4 \
		--iomem="mmapshared:/sys/bus/pci/devices/$b/p2pmem/allocate" 2>&1)
	rc=$?
	case $want in
	works) [ $rc -eq 0 ] || fail "fio $engine: exit status $rc: $out" ;;
	refused) [ $rc -ne 0 ] || fail "fio $engine: succeeded" ;;
	esac
	said+=("fio $engine: exit status $rc")
done
fio "${verify[@]}" --ioengine=psync >/dev/null 2>&1 || fail "the same fio job fails with ordinary memory"

pool_whole "$b" || fail "p2pmem is left over"
umount /mnt
to_kernel "$b"
unload_module
pass "$want: $(printf '%s; ' "${said[@]}")"
