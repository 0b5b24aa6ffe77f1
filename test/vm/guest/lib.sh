# SPDX-License-Identifier: BSD-3-Clause
# What scenarios share; sourced by them inside the guest.
#
# run.sh exports: PL_REPO (the repository), PL_BUILD (the build directory), PL_VM (test/vm),
# PL_TOPOLOGY (the topology's file), PL_KERNEL (7.2, 6.12, 7.2-debug), PL_KERNEL_DIR (its place in
# the cache), PL_IOMMU (intel, virtio, none), PL_RESULTS (a writable directory kept on the host,
# which QEMU knows as PL_HOST_RESULTS), PL_IMAGES (the controllers' images, as QEMU writes them).
#
# To start a program takes an emulated guest 40 ms, so what is called often does without.

scenario=$(basename "$0" .sh)

# The one line by which a scenario ends.
pass() {
	echo "PASS $scenario: $*"
	exit 0
}
fail() {
	echo "FAIL $scenario: $*"
	exit 1
}
skip() {
	echo "SKIP $scenario: $*"
	exit 77
}

# Tries COMMAND for up to 20 s; for states which the kernel reaches on its own time.
exec {nothing}<> <(:)
wait_until() {
	local deadline=$((SECONDS + 20))
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		read -r -t 0.05 -u "$nothing" || :
	done
}

# BDFs of all NVMe controllers, in PCI order.
nvme_bdfs() {
	local dev class
	for dev in /sys/bus/pci/devices/*; do
		read -r class <"$dev/class"
		[ "$class" != 0x010802 ] || echo "${dev##*/}"
	done
}

# link_name LINK: the last part of what the directory LINK points to.
link_name() { (cd -P "$1" 2>/dev/null && echo "${PWD##*/}"); }

driver_of() { link_name "/sys/bus/pci/devices/$1/driver"; }

# is_driver BDF DRIVER: the link is there before the driver has probed the device, which after a hot
# plug another thread does; the last thing that a vfio driver makes is the vfio device.
is_driver() {
	[ "/sys/bus/pci/devices/$1/driver" -ef "/sys/bus/pci/drivers/$2" ] || return
	[ "$2" = nvme ] || compgen -G "/sys/bus/pci/devices/$1/vfio-dev/vfio*" >/dev/null
}

# bind_driver BDF DRIVER, as driverctl does it: the override outlives a rescan of the bus.
bind_driver() {
	local dev=/sys/bus/pci/devices/$1
	echo "$2" >"$dev/driver_override" || return
	if [ -e "$dev/driver" ]; then
		echo "$1" >"$dev/driver/unbind" || return
	fi
	echo "$1" >/sys/bus/pci/drivers_probe || return
	wait_until is_driver "$1" "$2"
}

# The vfio cdev of BDF: /dev/vfio/devices/vfioN.
vfio_cdev() {
	local dir
	for dir in "/sys/bus/pci/devices/$1/vfio-dev"/vfio*; do
		[ -e "$dir" ] || return
		echo "/dev/vfio/devices/${dir##*/}"
	done
}

iommu_group() { link_name "/sys/bus/pci/devices/$1/iommu_group"; }

# Block devices of the controller at BDF that the kernel driver holds, one a line.
nvme_blocks() {
	local dir
	for dir in "/sys/bus/pci/devices/$1/nvme"/nvme*/nvme*n*; do
		[ ! -e "$dir" ] || echo "/dev/${dir##*/}"
	done
}

# bar_size BDF INDEX: 0 when the controller has no such BAR.
bar_size() {
	local lines start end flags
	mapfile -t lines <"/sys/bus/pci/devices/$1/resource"
	read -r start end flags <<<"${lines[$2]}"
	[ $((flags)) -eq 0 ] && echo 0 || echo $((end - start + 1))
}

# nvme_reg BDF OFFSET WIDTH: a controller register as a number, by /dev/mem.
nvme_reg() {
	local start
	read -r start _ <"/sys/bus/pci/devices/$1/resource"
	echo $(($(busybox devmem $((start + $2)) "$3")))
}

# qemu_monitor COMMAND...: one line to QEMU's human monitor (device_del, pcie_aer_inject_error, info
# pci), its answer on stdout. Carried by QMP, whose answers are one line of JSON each.
qemu_monitor() {
	local port dir line
	for dir in /sys/class/virtio-ports/*; do
		read -r line <"$dir/name"
		[ "$line" != monitor ] || port=/dev/${dir##*/}
	done
	exec 4<>"$port"
	# Refused when an earlier call did it already: the connection is QEMU's, not this shell's.
	echo '{"execute":"qmp_capabilities"}' >&4
	printf '{"execute":"human-monitor-command","id":"pl","arguments":{"command-line":"%s"}}\n' \
		"$*" >&4
	while read -r -t 20 line <&4; do
		case $line in
		*'"id": "pl"'*)
			exec 4>&-
			line=${line#*'"return": "'}
			printf '%b' "${line%'", "id": "pl"'*}" | tr -d '\r'
			# The human monitor has no status: it says so in its answer.
			# Each return has its status: in a trap a bare one takes that of an earlier command.
			[[ $line != *'"error":'* && $line != Error:* ]] && return 0
			return 1
			;;
		esac
	done
	exec 4>&-
	echo "qemu_monitor: no answer to '$*'" >&2
	return 1
}
