#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The guest is what was asked for: kernel, controllers, IOMMU groups, vfio cdevs, hugepages.
. "$PL_VM/guest/lib.sh"

check_kernel() {
	local series=${PL_KERNEL%-debug} option value
	# A fallback to another series of the same major version was announced by kernel.sh.
	[ "$(uname -r | cut -d. -f1)" = "${series%%.*}" ] ||
		fail "Linux $(uname -r) is running, $PL_KERNEL was asked for"
	for option in KASAN PROVE_LOCKING IOMMUFD_TEST; do
		value=$(zcat /proc/config.gz | grep -c "^CONFIG_$option=y")
		[ "$value" -eq "$([ "$series" = "$PL_KERNEL" ] && echo 0 || echo 1)" ] ||
			fail "CONFIG_$option does not fit kernel $PL_KERNEL"
	done
}

check_mounts() {
	local dir
	touch /etc/peerlane.probe 2>/dev/null && fail "the host's root is writable"
	for dir in /run /tmp /root /mnt /dev/shm "$PL_RESULTS"; do
		touch "$dir/probe" && rm "$dir/probe" || fail "$dir is not writable"
	done
	[ -x "$PL_REPO/test/vm/run.sh" ] || fail "the repository is not visible at $PL_REPO"
}

# check_block BDF LBA [MAX_KB]: every namespace of the controller.
check_block() {
	local block queue
	for block in $(nvme_blocks "$1"); do
		queue=/sys/block/$(basename "$block")/queue
		[ "$(cat "$queue/logical_block_size")" = "$2" ] ||
			fail "$block has blocks of $(cat "$queue/logical_block_size"), not $2 bytes"
		[ -z "$3" ] || [ "$(cat "$queue/max_hw_sectors_kb")" = "$3" ] ||
			fail "$block takes $(cat "$queue/max_hw_sectors_kb") KiB a command, not $3"
	done
}

# check_controller BDF KEY=VALUE...: one `expect` line of the topology.
check_controller() {
	local bdf=$1 dev=/sys/bus/pci/devices/$1 pair got
	shift
	local serial='' ns=1 lba=512 cmb=0 pmr=0 cmbs='' max_kb='' ioqueues='' under='' legacy=''
	for pair in "$@"; do
		local "${pair?}"
	done
	[ "$(cat "$dev/class" 2>/dev/null)" = 0x010802 ] || fail "no NVMe controller at $bdf"
	wait_until controller_live "$bdf" || fail "$bdf: the kernel's nvme driver does not run it"
	got=$(tr -d ' ' <"$(echo "$dev"/nvme/nvme*/serial)")
	[ "$got" = "$serial" ] || fail "$bdf: serial $got, not $serial"
	[ "$(nvme_blocks "$bdf" | wc -l)" -eq "$ns" ] ||
		fail "$bdf: $(nvme_blocks "$bdf" | wc -l) namespaces, not $ns"
	check_block "$bdf" "$lba" "$max_kb"
	# QEMU puts the CMB into BAR 2 and the PMR into BAR 4.
	[ "$(bar_size "$bdf" 2)" -eq "$cmb" ] || fail "$bdf: BAR 2 has $(bar_size "$bdf" 2), not $cmb bytes"
	[ "$(bar_size "$bdf" 4)" -eq "$pmr" ] || fail "$bdf: BAR 4 has $(bar_size "$bdf" 4), not $pmr bytes"
	# CAP.CMBS, bit 57 (NVMe Base 1.4, 3.1.1).
	got=$(($(nvme_reg "$bdf" 0 64) >> 57 & 1))
	[ -z "$cmbs" ] || [ "$got" = "$cmbs" ] || fail "$bdf: CAP.CMBS is $got, not $cmbs"
	[ -z "$ioqueues" ] || [ "$(cat "$dev"/nvme/nvme*/queue_count)" = $((ioqueues + 1)) ] ||
		fail "$bdf: $(cat "$dev"/nvme/nvme*/queue_count) queues, not $((ioqueues + 1))"
	[ -z "$under" ] || [[ $(readlink -f "$dev") = */$under/* ]] || fail "$bdf: not below $under"
}

controller_live() {
	[ "$(cat "/sys/bus/pci/devices/$1"/nvme/nvme*/state 2>/dev/null)" = live ]
}

# To vfio-pci: the group, the cdev and /dev/iommu, each openable.
check_vfio() {
	local cdev group
	group=$(iommu_group "$1")
	bind_driver "$1" vfio-pci || fail "$1: could not be bound to vfio-pci"
	cdev=$(vfio_cdev "$1")
	[ -c "$cdev" ] || fail "$1: no vfio cdev '$cdev'"
	[ -c "/dev/vfio/$group" ] || fail "$1: no vfio group /dev/vfio/$group"
	(: <>"$cdev") || fail "$1: $cdev cannot be opened"
	echo "$1: serial ${serials[$1]} group $group cdev $cdev"
}

# MGAW, bits 21:16 of the capability register, one less than the width (VT-d 11.4.2).
check_width() {
	local cap
	cap=0x$(cat /sys/class/iommu/dmar0/intel-iommu/cap)
	[ $(((cap >> 16 & 63) + 1)) -eq "$PL_AW_BITS" ] ||
		fail "the IOMMU translates $(((cap >> 16 & 63) + 1)) bits, not $PL_AW_BITS"
}

check_iommu() {
	local bdf
	if [ "$PL_IOMMU" = none ]; then
		for bdf in $(nvme_bdfs); do
			[ -z "$(iommu_group "$bdf")" ] || fail "$bdf has an IOMMU group, with no IOMMU"
		done
		return
	fi
	[ -c /dev/iommu ] || fail "no /dev/iommu"
	[ -c /dev/vfio/vfio ] || fail "no /dev/vfio/vfio"
	[ "$PL_IOMMU" != intel ] || check_width
	for bdf in $(nvme_bdfs); do
		check_vfio "$bdf"
	done
	for bdf in $(nvme_bdfs); do
		bind_driver "$bdf" nvme || fail "$bdf: could not be given back to nvme"
		wait_until controller_live "$bdf" || fail "$bdf: not live after its return to nvme"
	done
}

declare -A serials
check_kernel
check_mounts
controllers=0
while read -r word bdf pairs; do
	[ "$word" = expect ] || continue
	# shellcheck disable=SC2086
	check_controller "$bdf" $pairs
	serials[$bdf]=$(tr -d ' ' <"$(echo /sys/bus/pci/devices/$bdf/nvme/nvme*/serial)")
	controllers=$((controllers + 1))
done <"$PL_TOPOLOGY"
[ "$controllers" -gt 0 ] || fail "the topology expects no controller"
[ "$(nvme_bdfs | wc -l)" -eq "$controllers" ] ||
	fail "controllers are $(nvme_bdfs | tr '\n' ' '), the topology expects $controllers"
check_iommu
hugepages=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)
[ "$hugepages" -ge 256 ] || fail "$hugepages free hugepages of 2 MiB, not 256"
pass "Linux $(uname -r), $controllers controllers, iommu $PL_IOMMU, $hugepages hugepages," \
	"up $(cut -d' ' -f1 /proc/uptime) s"
