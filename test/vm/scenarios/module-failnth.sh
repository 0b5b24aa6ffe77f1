#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each allocation in bind, open, attach, allocate, mmap, fault, dma-buf, close and unbind fails once: no splat, no leak
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
b=0000:02:00.0 debugfs=/sys/kernel/debug

[ -e /proc/self/fail-nth ] || skip "this kernel injects no faults"
# Where Linux 7.2 itself does not take a failure well, whatever the driver. The first three leave freed
# memory in use (a devres action of pci_p2pdma_add_resource; objects of the ACPI interpreter), the
# others only warn (that memory cannot be added; that a group was not full when it is given up; that
# a device does not get its default domain back on close).
spared=gen_pool_add_owner,acpi_get_irq_routing_table,acpi_evaluate_object,add_pages,vfio_create_group
spared+=,__iommu_release_dma_ownership

load_module
to_module "$b"
unbind "$b"
ko=$("$PL_REPO/kernel/build.sh" --source "$PL_VM/programs/p2pmem_spare" "$PL_KERNEL_DIR/build") ||
	fail "p2pmem_spare does not build"
insmod "$ko" functions="$spared" || fail "insmod $ko: $(dmesg | tail -n 3)"
# Also allocations that may sleep and those of single pages; and not a stack dump for each.
for knob in failslab fail_page_alloc; do
	echo N >$debugfs/$knob/ignore-gfp-wait || fail "$knob"
done
echo 0 >$debugfs/fail_page_alloc/min-order
for knob in failslab fail_page_alloc fail_usercopy; do
	echo 0 >$debugfs/$knob/verbose
done
echo clear >$debugfs/kmemleak
"$programs/p2pmem_failnth" "$b" >"$PL_RESULTS/failnth" 2>&1 || fail "$(cat "$PL_RESULTS/failnth")"
out=$(cat "$PL_RESULTS/failnth")
unload_module
rmmod p2pmem_spare
check_leaks
dmesg | grep -q 'kmemleak: .*disabled' && fail "$out: kmemleak gave up"
fill "$b" 1
pass "$out"
