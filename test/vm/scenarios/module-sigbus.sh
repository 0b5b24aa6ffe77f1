#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A controller's p2pmem is taken from the CPU: that one fails, the other is served, a reset brings it back: module-sigbus BACKEND TIMES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
backend=${1:?module-sigbus BACKEND TIMES} times=${2:?} src=0000:01:00.0 dst=0000:02:00.0

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
load_module
fill "$src" 4
want=$(digest "$src" 4)
to_user "$src"
to_module "$dst"
out=$("$programs/recover" "$src" "$dst" sigbus "$times" -l 0 -m 64 --iommu="$backend" -a "$src" \
	-a "$dst" 2>&1) || fail "$out"
[ "$(digest "$dst" 4)" = "$want" ] || fail "the kernel's driver reads other data than was copied last"
to_kernel "$dst"
unload_module
check_leaks
pass "$backend: ${out##*$'\n'}"
