#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# CMB registers of controllers no driver has touched; needs --append initcall_blacklist=nvme_init
. "$PL_VM/guest/lib.sh"

# Register offsets: NVMe Base 2.0, 3.1.3 (CMBLOC, CMBSZ, CMBMSC).
cmbsz=0x3c cmbmsc=0x50

# cmb_bytes CMBSZ: SZ in units of 4 KiB << 4 * SZU.
cmb_bytes() {
	echo $((($1 >> 12) << (12 + 4 * ($1 >> 8 & 15))))
}

check_cold() {
	local bdf=$1 pair got start
	shift
	local serial='' ns='' lba='' cmb=0 pmr=0 cmbs=0 legacy=0 max_kb='' ioqueues='' under=''
	for pair in "$@"; do
		local "${pair?}"
	done
	echo 1 >"/sys/bus/pci/devices/$bdf/enable" || fail "$bdf: cannot be enabled"
	got=$(cmb_bytes "$(nvme_reg "$bdf" $cmbsz 32)")
	if [ "$legacy" = 1 ]; then
		[ "$got" -eq "$cmb" ] || fail "$bdf: CMBSZ says $got bytes, not $cmb, before anyone enabled it"
	else
		[ "$got" -eq 0 ] || fail "$bdf: CMBSZ says $got bytes before CMBMSC.CRE is set"
	fi
	if [ "$cmb" -gt 0 ]; then
		read -r start _ <"/sys/bus/pci/devices/$bdf/resource"
		busybox devmem $((start + cmbmsc)) 64 1
		got=$(cmb_bytes "$(nvme_reg "$bdf" $cmbsz 32)")
		[ "$got" -eq "$cmb" ] || fail "$bdf: CMBSZ says $got bytes, not $cmb, once CMBMSC.CRE is set"
		checked=$((checked + 1))
	fi
}

grep -q initcall_blacklist=nvme_init /proc/cmdline ||
	skip "the kernel's nvme driver is there: run with --append initcall_blacklist=nvme_init"
[ ! -e /sys/bus/pci/drivers/nvme ] || fail "the kernel's nvme driver is there all the same"
checked=0
while read -r word bdf pairs; do
	# shellcheck disable=SC2086
	[ "$word" != expect ] || check_cold "$bdf" $pairs
done <"$PL_TOPOLOGY"
[ $checked -gt 0 ] || skip "the topology has no CMB"
pass "$checked controllers with a CMB in the state of power-on"
