#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A block that cannot be read or written (topology five): the copy fails, its list of complete ranges is right, and ends before the block: medium-error BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/struck.sh"
backend=${1:?medium-error BACKEND} a=0000:01:00.0 b=0000:02:00.0 bad_read=0000:04:00.0 bad_write=0000:05:00.0
# The block is 400000, which begins no chunk of any size used here.
slba=397312 nlb=4096 bad=400000 via=dst
p2p_possible || via=host

keep "$a" 2 0 /tmp/want.w0
keep "$a" 2 2 /tmp/want.w1
keep "$bad_read" 2 $((slba >> 11)) /tmp/want.r
poison "$b" 4
for bdf in "$a" "$b" "$bad_read" "$bad_write"; do
	to_user "$bdf"
done

# hit NAME IMAGE WANT SLBA: of the copy that has just ended, whose target's range begins at SLBA; the
# bad block would be written as SLBA + (bad - slba).
hit() {
	local block=$(($4 + bad - slba)) range
	[ $rc -eq 1 ] || fail "$1: the copy ended with $rc: $out"
	grep -q "LBA\|status\|Write Fault\|Unrecovered" <<<"$out" || fail "$1: no reason: $out"
	judge "$2" "$3" "$4" $nlb
	for range in $(complete_ranges); do
		[ $block -lt "${range%+*}" ] || [ $block -ge $((${range%+*} + ${range#*+})) ] ||
			fail "$1: $range is listed as complete, with the bad block $block"
	done
}

i=0
for verify in '' --no-verify; do
	for pieces in '-o 4K -q 1' '-o 64K -q 8'; do
		# shellcheck disable=SC2086
		start_copy 0 "$a $bad_write" "$a:1:$((i % 2 * 4096))+$nlb" "$bad_write:1:$slba" --via $via $pieces $verify
		end_copy
		grep -q "$bad_write" <<<"$out" || fail "write: $bad_write is not named: $out"
		hit "write $pieces $verify" e /tmp/want.w$((i % 2)) $slba
		[ $acknowledged -gt 0 ] || fail "write $pieces $verify: nothing is complete: $out"
		i=$((i + 1))
		# shellcheck disable=SC2086
		start_copy 0 "$bad_read $b" "$bad_read:1:$slba+$nlb" "$b:1:$((i * 4096))" --via $via $pieces $verify
		end_copy
		grep -q "$bad_read" <<<"$out" || fail "read: $bad_read is not named: $out"
		hit "read $pieces $verify" b /tmp/want.r $((i * 4096))
	done
done
# What does not touch the block is served.
start_copy 0 "$a $bad_write" "$a:1:0+$((bad - slba))" "$bad_write:1:$slba" --via $via
end_copy
[ $rc -eq 0 ] || fail "up to the bad block: $out"
judge e /tmp/want.w0 $slba $((bad - slba))
verdict "$backend: a block that cannot be written, one that cannot be read, neither of them in a list"
