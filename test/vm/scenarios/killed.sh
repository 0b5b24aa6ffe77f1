#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A copy is killed at any moment of its life: the next one succeeds, no hugepage is lost, the kernel can use the controllers: killed BACKEND TIMES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/struck.sh"
backend=${1:?killed BACKEND TIMES} times=${2:?}
src=0000:01:00.0 dst=0000:02:00.0 mib=2 via=dst copying=0
p2p_possible || via=host

free() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }
all_free() { [ "$(free)" -eq "$before" ]; }
before=$(free)
keep "$src" $mib 0 /tmp/want.0
keep "$src" $mib $mib /tmp/want.1
poison "$dst" $mib
to_user "$src"
to_user "$dst"

# The length of a whole life is what a kill's moment is drawn from.
start=${EPOCHREALTIME/./}
start_copy 0 "$src $dst" "$src:1:0+$((mib << 11))" "$dst" --via $via -o 8K -q 4
end_copy
[ $rc -eq 0 ] || fail "$out"
life=$((${EPOCHREALTIME/./} - start))
for ((i = 1; i <= times; i++)); do
	moment=$((SRANDOM % life))
	args=("$src:1:$((i % 2 * (mib << 11)))+$((mib << 11))" "$dst" --via $via -o 8K -q 4)
	: >/run/killed
	"$nvme_copy" -l 0 -m 64 --iommu="$backend" -a "$src" -a "$dst" -- "${args[@]}" >/run/killed 2>&1 &
	pid=$!
	# It is going to be killed, which is none of the shell's business.
	disown $pid
	read -r -t "$((moment / 1000000)).$(printf %06d $((moment % 1000000)))" -u "$nothing" || :
	kill -9 $pid 2>/dev/null
	! grep -q '^plan:' /run/killed || grep -q '^copy:' /run/killed || copying=$((copying + 1))
	wait_until all_free || fail "kill $i after $((moment / 1000)) ms: $(free) hugepages are free, $before were"
	start_copy 0 "$src $dst" "${args[@]}"
	end_copy
	[ $rc -eq 0 ] && grep -q ', verified;' <<<"$out" || fail "after kill $i the same copy ended with $rc: $out"
	judge b /tmp/want.$((i % 2)) 0 $((mib << 11))
done
wait_until all_free || fail "at the end $(free) hugepages are free, $before were"
[ "$(digest "$src" $mib)" = "$(sha256sum </tmp/want.0 | cut -d' ' -f1)" ] || fail "the source has changed"
[ "$(digest "$dst" $mib)" = "$(sha256sum </tmp/want.$((times % 2)) | cut -d' ' -f1)" ] ||
	fail "the kernel's driver reads other data than was copied last"
verdict "$backend: $times kills, $copying of them in the copy, $before hugepages as before, both controllers back at the kernel's driver"
