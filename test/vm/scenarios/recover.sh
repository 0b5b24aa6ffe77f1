#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# After a reset by another, or memory decoding off, the next copy goes peer to peer in the same process: recover BACKEND flr|mem TIMES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?recover BACKEND flr|mem TIMES} how=${2:?} times=${3:?}
src=0000:01:00.0 dst=0000:02:00.0

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
fill "$src" 4
want=$(digest "$src" 4)
to_user "$src"
to_user "$dst"
out=$("$PL_BUILD/test/vm/programs/recover" "$src" "$dst" "$how" "$times" -l 0 -m 64 \
	--iommu="$backend" -a "$src" -a "$dst" 2>&1) || fail "$out"
[ "$(digest "$dst" 4)" = "$want" ] || fail "the kernel's driver reads other data than was copied last"
pass "$backend, $how: ${out##*$'\n'}"
