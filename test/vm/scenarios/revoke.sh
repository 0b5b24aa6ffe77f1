#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The peer's memory goes away in the middle of a copy: nothing wrong is acknowledged, and a rerun succeeds: revoke BACKEND mem|reset TIMES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?revoke BACKEND mem|reset TIMES} how=${2:?} times=${3:?}
src=0000:01:00.0 dst=0000:02:00.0 config=/sys/bus/pci/devices/0000:02:00.0/config
# A copy by its chunks and depth slower than it takes to hit it.
mib=32

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
# The source ranges take turns: what the last copy left on the target is poison for the next one.
for at in 0 $mib; do
	fill "$src" $mib $at
	dd if="$(block_of "$src")" of=/tmp/want.$at bs=1M skip=$at count=$mib iflag=direct status=none
done
poison "$dst" $mib
to_user "$src"

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

# check_complete WANT: the kernel's driver finds WANT's data in every range that the copy says is
# complete.
check_complete() {
	local range slba nlb block
	to_kernel "$dst"
	block=$(block_of "$dst")
	for range in $(sed -n 's/^complete in [^:]*//p' /tmp/out | grep -o 'LBA [0-9]*+[0-9]*' | tr -d 'LBA '); do
		slba=${range%+*} nlb=${range#*+}
		acknowledged=$((acknowledged + nlb))
		cmp -s <(tail -c +$((slba * 512 + 1)) "$1" | head -c $((nlb * 512))) \
			<(dd if="$block" bs=64K iflag=direct,skip_bytes,count_bytes,fullblock skip=$((slba * 512)) \
				count=$((nlb * 512)) status=none) ||
			fail "LBA $range was acknowledged, but is not the source's data"
	done
}

acknowledged=0 unlanded=0
for ((i = 0; i < times; i++)); do
	at=$((i % 2 * mib))
	to_user "$dst"
	: >/tmp/out # nor what the last one said
	"$nvme_copy" -l 0 -m 32 --iommu="$backend" -a "$src" -a "$dst" -- \
		"$src:1:$((at << 11))+$((mib << 11))" "$dst" --via dst -o 8K -q 2 >/tmp/out 2>&1 &
	pid=$!
	# Into the copy, as soon as its plan is printed, and a little further each time.
	wait_until grep -q '^plan:' /tmp/out || fail "$(cat /tmp/out)"
	sleep "0.$((i % 5))1"
	revoke
	[ $rc -eq 1 ] || fail "copy $i was not hit: it ended with $rc: $(cat /tmp/out)"
	grep -q "^nvme_copy: .*$dst" /tmp/out || fail "the error does not name $dst: $(cat /tmp/out)"
	! grep -q 'did not land\|whose CMB holds the data' /tmp/out || unlanded=$((unlanded + 1))
	check_complete /tmp/want.$at
done
[ $unlanded -gt 0 ] || fail "no copy ended because data did not land, or its provider was found dead"
[ $acknowledged -gt 0 ] || fail "no copy was hit in its middle"
poison "$dst" 1
devices=("$src" "$dst")
copy "$src:1:0+2048" "$dst" --via dst -o 64K || fail "after the last: $out"
[ "$(digest "$dst" 1)" = "$(sha256sum < <(head -c 1M /tmp/want.0) | cut -d' ' -f1)" ] ||
	fail "after the last, a copy is wrong"
pass "$backend, $how: $times of $times copies hit, $unlanded by data that did not land or a provider found dead, $acknowledged acknowledged blocks and no wrong" \
	"byte in them, then a copy succeeded"
