#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The peer's memory goes away in the middle of a copy: nothing wrong is acknowledged, and a rerun succeeds: revoke BACKEND mem|reset TIMES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?revoke BACKEND mem|reset TIMES} how=${2:?} times=${3:?}
src=0000:01:00.0 dst=0000:02:00.0 mib=16
config=/sys/bus/pci/devices/$dst/config

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
fill "$src" $mib
dd if="$(block_of "$src")" of=/tmp/want bs=1M count=$mib iflag=direct status=none

# COMMAND.MEM is bit 1 of the byte at 4; another process writes it behind vfio's back.
command_byte() { od -An -tu1 -j4 -N1 "$config" | tr -d ' '; }
set_command() { printf "\\x$(printf %x "$1")" | dd of="$config" bs=1 seek=4 conv=notrunc status=none; }
revoke() {
	local old
	if [ "$how" = mem ]; then
		old=$(command_byte)
		set_command $((old & ~2))
		wait "$pid"
		rc=$?
		set_command "$old"
	else
		echo 1 >"/sys/bus/pci/devices/$dst/reset"
		wait "$pid"
		rc=$?
	fi
}

# Every range that the copy says is complete must hold the source's data.
check_complete() {
	local range slba nlb
	to_kernel "$dst"
	for range in $(sed -n 's/^complete in [^:]*//p' /tmp/out | grep -o 'LBA [0-9]*+[0-9]*' | tr -d 'LBA '); do
		slba=${range%+*} nlb=${range#*+}
		cmp -s <(dd if=/tmp/want bs=512 skip="$slba" count="$nlb" status=none) \
			<(dd if="$(block_of "$dst")" bs=512 skip="$slba" count="$nlb" iflag=direct status=none) ||
			fail "LBA $range was acknowledged, but is not the source's data"
	done
}

hit=0
for ((i = 0; i < times; i++)); do
	poison "$dst" $mib
	to_user "$src"
	to_user "$dst"
	"$nvme_copy" -l 0 -m 128 --iommu="$backend" -a "$src" -a "$dst" -- \
		"$src:1:0+$((mib << 11))" "$dst" --via dst -o 64K -q 8 >/tmp/out 2>&1 &
	pid=$!
	# Into the copy, as soon as its plan is printed, and a little further each time.
	wait_until grep -q '^plan:' /tmp/out || fail "$(cat /tmp/out)"
	sleep "0.$((i % 3))1"
	revoke
	if [ $rc -eq 0 ]; then # it was done before
		grep -q 'verified' /tmp/out || fail "$(cat /tmp/out)"
		continue
	fi
	hit=$((hit + 1))
	[ $rc -eq 1 ] || fail "the copy ended with $rc: $(cat /tmp/out)"
	grep -q "^nvme_copy: .*$dst" /tmp/out || fail "the error does not name $dst: $(cat /tmp/out)"
	check_complete
done
[ "$hit" -gt 0 ] || fail "no copy was hit in $times times"
poison "$dst" 2
copy "$src:1:0+4096" "$dst" --via dst -o 64K || fail "after the last: $out"
[ "$(digest "$dst" 2)" = "$(digest "$src" 2)" ] || fail "after the last, a copy is wrong"
pass "$backend, $how: $hit of $times copies hit, no wrong byte acknowledged, then a copy succeeded"
