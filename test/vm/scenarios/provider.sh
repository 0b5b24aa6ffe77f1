#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Whose memory a copy crosses is reset, or stops decoding, meanwhile; no wrong byte is acknowledged: provider BACKEND third|lender|src|dst reset|mem SIZE TIMES [verify] [bs=SIZE] [iops=N]
#
# revoke.sh asks this of the target, which notices for itself. A third controller, or the source, dies
# behind the back of the target that reads it: its write takes zeros and completes.
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/struck.sh"
backend=${1:?provider BACKEND ROLE HOW SIZE TIMES} role=${2:?} how=${3:?} size=${4:?} times=${5:?}
src=0000:01:00.0 dst=0000:02:00.0 third=0000:03:00.0 lends= iops=0 more=(--no-verify)
for word in "${@:6}"; do
	case $word in
	verify) more=("${more[@]/--no-verify/}") ;;
	bs=*) more+=(-o "${word#bs=}") ;;
	iops=*) iops=${word#iops=} ;;
	*) fail "'$word' is not verify, bs=SIZE or iops=N" ;;
	esac
done
case $size in
*K) nlb=$((${size%K} << 1)) ;;
*M) nlb=$((${size%M} << 11)) ;;
esac
mib=$(((nlb + 2047) >> 11))
case $role in
third) struck=$third via=$third ;;
lender) struck=$third via=$third lends=,p2p=bar2 ;; # no controller, and nothing to look at but the canary
src) struck=$src via=src ;;
dst) struck=$dst via=dst ;;
esac
config=/sys/bus/pci/devices/$struck/config

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
# The source ranges take turns: what the last copy left on the target is poison for the next one, and
# what it left in the provider's memory too.
keep "$src" $mib 0 /tmp/want.0
keep "$src" $mib $mib /tmp/want.1
poison "$dst" $mib
for bdf in "$src" "$dst" "$third"; do
	to_user "$bdf"
done
trap '[ "$iops" -eq 0 ] || throttle nvme-b 0' EXIT
[ "$iops" -eq 0 ] || throttle nvme-b "$iops"

# COMMAND.MEM is bit 1 of the byte at 4; another process writes it behind vfio's back.
command_byte() { od -An -tu1 -j4 -N1 "$config" | tr -d ' '; }
set_command() { printf "\\x$(printf %x "$1")" | dd of="$config" bs=1 seek=4 conv=notrunc status=none; }

# strike: sets $hit when the copy still ran afterwards. Decoding stays off until the copy has ended.
strike() {
	hit=
	if [ "$how" = mem ]; then
		set_command 5 # bus master, I/O
		! running || hit=1
		end_copy
		set_command "$command"
	else
		echo 1 >"/sys/bus/pci/devices/$struck/reset"
		! running || hit=1
		end_copy
		give_back_bars
	fi
}

# A program that ends within the 100 ms of the reset takes the state which the kernel saved for the
# device's return: nobody writes its BARs back.
saved=/run/provider.config
give_back_bars() {
	cmp -s -n 64 $saved "$config" && return
	lost=$((lost + 1))
	dd if=$saved of="$config" bs=4 skip=4 seek=4 count=6 conv=notrunc status=none
	dd if=$saved of="$config" bs=2 skip=2 seek=2 count=1 conv=notrunc status=none
}

hits=0 missed=0 lost=0
command=$(command_byte)
head -c 64 "$config" >$saved
for ((i = 0; i < times; i++)); do
	start_copy 0 "$src $dst $third$lends" "$src:1:$((i % 2 * (mib << 11)))+$nlb" "$dst" --via "$via" ${more[@]}
	# Into the copy, and a little further each time.
	read -r -t "0.$((i % 5))1" -u "$nothing" || :
	strike
	[ $rc -eq 0 ] || hit=1
	[ -n "$hit" ] && hits=$((hits + 1)) || missed=$((missed + 1))
	judge b /tmp/want.$((i % 2)) 0 $nlb
done
what="$*"
[ $wrong -eq 0 ] || verdict "$what: $hits hit, $missed missed"
# Those that were struck when all was done but the report end well.
[ $failed -gt 0 ] || fail "$what: all $times copies were done before they were hit"
# What was struck serves the next copy.
start_copy 0 "$src $dst $third$lends" "$src:1:0+$nlb" "$dst" --via "$via" ${more[@]}
end_copy
[ $rc -eq 0 ] || fail "$what: after the last strike a copy fails: $out"
judge b /tmp/want.0 0 $nlb
verdict "$what: $hits hit, $missed missed, $lost lost BARs, one after them"
