#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Several scenarios in one guest, a line "CELL STATUS SECONDS NAME" after each: cells 'SCENARIO ARGS'...
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/dmesg.sh"
log=/run/cell.log failed=0

# Whether something is mounted on the guest's own /mnt, a tmpfs.
covered() {
	local dir type last=tmpfs
	while read -r _ dir type _; do
		[ "$dir" != /mnt ] || last=$type
	done </proc/mounts
	[ "$last" != tmpfs ]
}

# Every scenario finds controllers and device nodes as the guest's start left them.
reset_guest() {
	local bdf pid
	for pid in $(pidof systemd-udevd); do
		kill "$pid"
	done
	rm -rf /run/udev
	# What a scenario that failed half way left.
	while covered; do
		umount -l /mnt || break
	done
	if [ -e /run/traced ]; then
		qemu_monitor trace-event '*' off >/dev/null
		rm /run/traced
	fi
	[ ! -e /dev/iommu ] || chown root:root /dev/iommu
	[ -e /sys/bus/pci/drivers/nvme ] || return 0
	for bdf in $(nvme_bdfs); do
		to_kernel "$bdf"
	done
	[ ! -e /sys/module/peerlane_vfio_pci ] || rmmod peerlane_vfio_pci
}

# run_cell NUMBER SCENARIO [ARGS...]
run_cell() {
	local status=0 start=$SECONDS
	reset_guest
	echo "peerlane: cell $1" >/dev/kmsg
	timeout -k 5 "${CELL_TIMEOUT:-300}" "$PL_VM/scenarios/$2.sh" "${@:3}" >$log 2>&1 </dev/null ||
		status=$?
	dmesg | sed "1,/peerlane: cell $1\$/d" >/run/cell.dmesg
	if ! dmesg_reports /run/cell.dmesg >>$log && [ $status -eq 0 ]; then
		status=1
	fi
	cat $log
	case $status in 0 | 77) ;; *) failed=$((failed + 1)) ;; esac
	echo "CELL $status $((SECONDS - start)) ${*:2}"
}

number=0
for cell in "$@"; do
	number=$((number + 1))
	read -ra words <<<"$cell"
	run_cell $number "${words[@]}"
done
[ $failed -eq 0 ] || fail "$failed of $number scenarios failed"
pass "$number scenarios"
