#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copies by the BAR of a function that is no NVMe controller; what of it cannot be lent; it is pulled under a copy: lender BACKEND [pull]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/struck.sh"
backend=${1:?lender BACKEND [pull]} pull=${2:-}
src=0000:01:00.0 dst=0000:02:00.0 lender=0000:03:00.0 mib=4 nlb=8192

# tried TEXT ARGS: -a LENDER,ARGS is refused with TEXT before anything begins.
tried() {
	devices=("$src" "$dst" "$lender,$2")
	copy "$src:1:0+$nlb" "$dst:1:0" --via "$lender"
	[ $? -eq 2 ] || fail "$2 ended with $?, not 2: $out"
	grep -q "$1" <<<"$out" || fail "$2: no '$1' in: $out"
}

to_user "$lender"
"$PL_BUILD/app/topo/peerlane-topo" >/run/topo || fail "peerlane-topo ended with $?"
grep -q "$lender .*2: 16 MiB" /run/topo || fail "peerlane-topo does not list what can be lent: $(cat /run/topo)"

fill "$src" $mib
want=$(digest "$src" $mib)
poison "$dst" $mib
untouched=$(digest "$dst" $mib)
if ! p2p_possible; then
	tried dma-buf p2p=bar2
	[ "$(digest "$dst" $mib)" = "$untouched" ] || fail "a copy that was refused wrote to its target"
	pass "$backend: refused with the reason"
fi
tried "has no BAR 1" p2p=bar1
tried "'p2p=bar7' is not understood" p2p=bar7
tried "'offset=100' is not understood" p2p=bar2,offset=100
tried "each once" p2p=bar2,p2p=bar2
tried "not in whole pages inside BAR 2" p2p=bar2,offset=12M,size=8M
tried "too small" p2p=bar2,size=64K
devices=("$src" "$dst,p2p=bar0")
copy "$src:1:0+$nlb" "$src:1:$((4 * nlb))" --via "$dst"
[ $? -eq 2 ] && grep -q "lends its CMB and PMR without" <<<"$out" || fail "registers of a controller were lent: $out"
devices=("$src" "$dst" "$lender")
copy "$src:1:0+$nlb" "$dst:1:0" --via "$lender"
[ $? -eq 2 ] && grep -q "not an NVMe controller" <<<"$out" || fail "without p2p= it was taken for a controller: $out"
[ "$(digest "$dst" $mib)" = "$untouched" ] || fail "a copy that was refused wrote to its target"

copies=0
for way in "$lender p2p=bar2" "auto p2p=bar2" "$lender p2p=bar2,offset=12M,size=4M"; do
	poison "$dst" $mib
	devices=("$src" "$dst" "$lender,${way#* }")
	copy "$src:1:0+$nlb" "$dst:1:0" --via "${way% *}" -o 64K || fail "$way: $out"
	grep -q "$src -> $lender BAR 2 -> $dst" <<<"$out" || fail "$way: another path: $out"
	grep -q "peer to peer" <<<"$out" || fail "$way was not P2P: $out"
	[ "$(digest "$dst" $mib)" = "$want" ] || fail "$way: the kernel's driver reads other data than it should"
	copies=$((copies + 1))
done
[ -n "$pull" ] || pass "$backend: $copies copies by its BAR, verified and read back by the kernel's driver"

copies=0
keep "$src" $mib 0 /tmp/want
poison "$dst" $mib
to_user "$src"
to_user "$dst"
start_copy 0 "$src $dst $lender,p2p=bar2" "$src:1:0+$nlb" "$dst" --via "$lender" -o 4K -q 1
qemu_monitor device_del lender-c || fail "device_del lender-c"
end_copy
[ $rc -eq 1 ] || fail "pulled: the copy ended with $rc: $out"
grep -q 'FAILED (\(ENODEV\|EREMOTEIO\))' <<<"$out" || fail "pulled: another error than ENODEV or EREMOTEIO: $out"
grep -q "$lender" <<<"$out" || fail "pulled: the error does not name $lender: $out"
judge b /tmp/want 0 $nlb
# It comes back for who runs next in this guest, with other memory: QEMU takes a backend once.
added() { qemu_monitor "device_add ivshmem-plain,id=lender-c,bus=rp2,memdev=lent-$$" >/run/added; }
qemu_monitor "object_add memory-backend-ram,id=lent-$$,size=16M,share=on" || fail "object_add"
back() { [ -e "/sys/bus/pci/devices/$lender/vendor" ]; }
gone() { ! back; }
wait_until gone || fail "$lender is still there"
wait_until added || fail "device_add: $(cat /run/added)"
wait_until back || fail "$lender does not come back"
verdict "$backend, $lender pulled"
