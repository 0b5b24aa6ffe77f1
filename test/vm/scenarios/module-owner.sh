#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Chunks through fork, partial munmap, I/O in flight and SIGKILL: all memory comes back, none is seen by others: module-owner KILLS [SEED]
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
kills=${1:?module-owner KILLS [SEED]} seed=${2:-$RANDOM} a=0000:01:00.0 b=0000:02:00.0
file=()

load_module
# Where the kernel's p2pdma refuses the path, without O_DIRECT.
if bridge_listed; then
	poison "$a" 1
	file=("$(block_of "$a")")
fi
to_module "$b"
out=$("$programs/p2pmem_owner" "$b" "$kills" "$seed" "${file[@]}" 2>&1) || fail "$out"
wait_until pool_whole "$b" || fail "$out: the pool is not whole"
unbind "$b"
to_module "$b"
pool_whole "$b" || fail "$out: the pool is not whole after a new bind"
unbind "$b"
unload_module
check_leaks
pass "$out${file:+, with O_DIRECT}"
