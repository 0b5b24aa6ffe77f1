#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Virtual functions (topology odd): offline they are refused with the reason, online two are one medium: vfs BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/refused.sh"
backend=${1:?vfs BACKEND} pf=0000:05:00.0
dev=/sys/bus/pci/devices/$pf

# admin ARGS...: Virtualization Management of the primary controller (8.26.3): -c controller, -r 0 queues
# or 1 interrupts, -a action, -n number.
admin() { nvme virt-mgmt "$ctrlr" "$@" >/run/admin 2>&1 || fail "virt-mgmt $*: $(cat /run/admin)"; }
vf_bdfs() {
	local link
	for link in "$dev"/virtfn*; do
		link_name "$link"
	done
}

to_kernel "$pf"
wait_until nvme_ready "$pf" || fail "$pf: the kernel's driver does not run it"
fill "$pf" 8
ctrlr=/dev/$(basename "$(echo "$dev"/nvme/nvme*)")
# The primary controller gives up what is for the others; that takes a reset to be true.
admin -c 0 -r 1 -a 1 -n 0
admin -c 0 -r 0 -a 1 -n 0
echo 1 >"$dev/reset"
wait_until nvme_ready "$pf" || fail "$pf: not back after a reset"
echo 0 >"$dev/sriov_drivers_autoprobe"
echo 2 >"$dev/sriov_numvfs" || fail "no VFs"
trap 'for bdf in $(vf_bdfs); do echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"; done 2>/dev/null; echo 0 >"$dev/sriov_numvfs"' EXIT
mapfile -t vfs < <(vf_bdfs)
[ ${#vfs[@]} -eq 2 ] || fail "VFs are ${vfs[*]}"

devices=("${vfs[@]}")
refused "offline" v "${vfs[0]}" offline -- "${vfs[0]}:1:0+8192" "${vfs[1]}:1:1000"
for i in 1 2; do
	admin -c $i -r 1 -a 8 -n 1
	admin -c $i -r 0 -a 8 -n 2
	admin -c $i -r 0 -a 9 -n 0
done
refused "overlapping" v "${vfs[0]}" "${vfs[1]}" overlap -- "${vfs[0]}:1:0+8192" "${vfs[1]}:1:1000"
image v 4M >/tmp/want
copy "${vfs[0]}:1:0+8192" "${vfs[1]}:1:16384" || bad+=("ranges apart: $out")
image v 4M 8M | cmp -s - /tmp/want || bad+=("ranges apart: the copy is wrong")
refused_all "$backend: offline VFs refused with the reason, online an overlapping copy refused with both names, another one right"
