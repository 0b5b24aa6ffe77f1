#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Submission queues and PRP lists in the CMB, as QEMU sees them; refused without a CMB: queues BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/trace.sh"
backend=${1:?queues BACKEND} bdf=0000:01:00.0 other=0000:02:00.0

events='pci_nvme_create_sq pci_nvme_map_prp pci_nvme_mmio_write'

# Addresses are as the controller sees them: in its CMB of 64 MiB, or not.
in_window() {
	[ $(($1)) -ge $((base)) ] && [ $(($1)) -lt $((base + (64 << 20))) ]
}

# places PATTERN: how many of the addresses that PATTERN takes out of the trace are in the CMB, and
# how many elsewhere.
places() {
	local address inside=0 outside=0
	for address in $(sed -n "s/$1/\\1/p" "$trace" | sort -u); do
		if in_window "$address"; then inside=$((inside + 1)); else outside=$((outside + 1)); fi
	done
	echo "$inside in CMB, $outside elsewhere"
}
# The admin queue's come by a register, not by a command. More than two pages need a list.
sq_addresses='.*create submission queue, addr=\(0x[0-9a-f]*\),.*'
list_addresses='.*len 65536 prp1 0x[0-9a-f]* prp2 \(0x[0-9a-f]*\) num_prps 1[67].*'

workload() { # workload ARGS
	out=$("$testpmd" -l 0 -m 64 --iommu="$backend" -a "$bdf$1" -- -w randrw -o 64K -q 8 --count 500 \
		--verify 2>&1) || fail "-a $bdf$1: $out"
	grep -q ' 0 mismatches' <<<"$out" || fail "-a $bdf$1: not verified: $out"
}

to_user "$bdf"
if [ "$(bar_size "$bdf" 2)" -eq 0 ]; then
	for arg in sq prp; do
		out=$("$testpmd" -l 0 -m 64 --iommu="$backend" -a "$bdf,$arg=cmb" -- -w randread --count 1 2>&1)
		rc=$?
		[ $rc -eq 2 ] || fail "-a $bdf,$arg=cmb ended with $rc, not 2, without a CMB: $out"
		case $arg in sq) text="no submission queue in its CMB" ;; prp) text="no PRP lists in its CMB" ;; esac
		grep -q "$bdf: $text" <<<"$out" || fail "-a $bdf,$arg=cmb: the reason is not named: $out"
	done
	pass "$backend: without a CMB sq=cmb and prp=cmb are refused with the reason"
fi
for args in '' ,sq=cmb ,prp=cmb ,sq=cmb,prp=cmb; do
	qemu_trace "$events" workload "$args"
	base=$(cmb_base) || fail "-a $bdf$args: CMBMSC.CMSE was never written"
	sq=$(places "$sq_addresses") prp=$(places "$list_addresses")
	case $args in *sq=cmb*) want='*[1-9]* in CMB, 0 elsewhere' ;; *) want='0 in CMB, *[1-9]* elsewhere' ;; esac
	# shellcheck disable=SC2053
	[[ $sq == $want ]] || fail "-a $bdf$args: submission queues are $sq"
	case $args in *prp=cmb*) want='*[1-9]* in CMB, 0 elsewhere' ;; *) want='0 in CMB, *[1-9]* elsewhere' ;; esac
	# shellcheck disable=SC2053
	[[ $prp == $want ]] || fail "-a $bdf$args: PRP lists are $prp"
done
fill "$bdf" 1
want=$(digest "$bdf" 1)
poison "$other" 1
devices=("$bdf,sq=cmb,prp=cmb" "$other,sq=cmb,prp=cmb")
copy "$bdf:1:0+2048" "$other" -o 64K || fail "copy with queues and lists in both CMBs: $out"
[ "$(digest "$other" 1)" = "$want" ] || fail "copy with queues and lists in both CMBs: wrong data"
pass "$backend: queues and lists were where sq= and prp= said, by QEMU's trace; data compared"
