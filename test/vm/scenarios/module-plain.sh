#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module is still a vfio-pci: BARs, dma-buf, reset, a peer-to-peer copy, and a controller without a CMB it could use
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
a=0000:01:00.0 b=0000:02:00.0 said=() user_driver=$module devices=("0000:01:00.0" "0000:02:00.0")

load_module
if [ "$(basename "$PL_TOPOLOGY")" != cmb-pair ]; then
	# A plain vfio driver then, which says why, once.
	for none in $(nvme_bdfs); do
		[ "$(bar_size "$none" 2)" -ne 0 ] || break
	done
	[ "$(bar_size "$none" 2)" -eq 0 ] || fail "no controller without a CMB"
	to_module "$none"
	[ ! -e "/sys/bus/pci/devices/$none/p2pmem/allocate" ] || fail "$none has p2pmem"
	[ "$(dmesg | grep -c "$none: no p2pmem: ")" = 1 ] || fail "$(dmesg | grep "$none" | tail -n 3)"
	said+=("$(dmesg | sed -n "s/.*$none: \(no p2pmem: .*\)/\1/p")")
else
	backend=iommufd
	to_module "$b"
	# CMBMSC.CRE as the device itself says, while nobody has it open.
	[ $(($(nvme_reg "$b" 0x50 32) & 1)) = 1 ] || fail "CMBMSC.CRE is not set after binding"
	p2p_possible && dmabuf=dmabuf || dmabuf=no-dmabuf
	out=$("$programs/p2pmem_plain" "$b" $dmabuf 2>&1) || fail "$out"
	[ $(($(nvme_reg "$b" 0x50 32) & 1)) = 1 ] || fail "CMBMSC.CRE is not set after the last user"
	echo 1 >"/sys/bus/pci/devices/$b/reset"
	[ $(($(nvme_reg "$b" 0x50 32) & 1)) = 1 ] || fail "CMBMSC.CRE is not set after a reset in sysfs"
	pool_whole "$b" || fail "p2pmem is left over"
	said+=("$dmabuf, BARs and reset work")
fi

# The same copies as with vfio-pci.
copies() {
	fill "$a" 1
	poison "$b" 1
	want=$(digest "$a" 1)
	copy "$a:1:0+2048" "$b" --via "$1" || fail "$backend --via $1: $out"
	[ "$(digest "$b" 1)" = "$want" ] || fail "$backend --via $1: other data"
	said+=("$backend --via $1")
}
for backend in iommufd type1; do
	p2p_possible && [ "$(basename "$PL_TOPOLOGY")" = cmb-pair ] && copies dst
	copies host
done

# Of a CMB that somebody else has most of, p2pmem= takes as much as it says, and else as there is.
refused() {
	copy "$a" "$b" --via dst -q 32 -o 1M
	rc=$?
	[ $rc -eq 2 ] && [[ $out == *"$1"* ]] || fail "${devices[1]}: exit status $rc, no '$1': $out"
}
shared() {
	local from to wrong holder
	to_module "$b"
	coproc SHARE { exec python3 -c 'import mmap, os, sys
m = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 48 << 20)
print("taken", flush=True)
sys.stdin.read()' "/sys/bus/pci/devices/$b/p2pmem/allocate" 2>&1; }
	exec {from}<&"${SHARE[0]}" {to}>&"${SHARE[1]}"
	holder=$SHARE_PID
	read -r line <&$from && [ "$line" = taken ] || fail "p2pmem/allocate: $line$(cat <&$from)"
	refused 'has 16380 KiB free'
	for wrong in sq=here p2pmem=0 p2pmem=65K; do
		devices=("$a" "$b,prp=host,$wrong")
		refused "'$wrong' is not understood"
	done
	devices=("$a" "$b,p2pmem=32M")
	refused 'no chunk of 33554432 bytes of its p2pmem of 67108864'
	devices=("$a" "$b,p2pmem=128M")
	refused 'p2pmem=134217728: its p2pmem has 67108864 bytes'
	devices=("$a" "$b,p2pmem=8M")
	refused 'has 8188 KiB free'
	copy "$a:1:0+2048" "$b" --via dst || fail "${devices[1]}: $out"
	eval "exec {from}<&- {to}>&- ${SHARE[1]}>&-"
	wait "$holder"
	said+=("p2pmem=8M beside others")
	devices=("$a" "$b,p2pmem=8M") user_driver=vfio-pci
	refused 'does not share it with the kernel'
}
[ "$(basename "$PL_TOPOLOGY")" != cmb-pair ] || shared
to_kernel "$a"
to_kernel "$b"
unload_module
check_leaks
pass "$(printf '%s; ' "${said[@]}")"
