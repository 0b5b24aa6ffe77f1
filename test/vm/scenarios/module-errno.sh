#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module's ioctls and mmap: each wrong use has its errno and takes nothing from the pool
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
a=0000:01:00.0 b=0000:02:00.0

load_module
to_module "$a"
to_user "$b"
out=$("$programs/p2pmem_errno" "$a" "$b" 2>&1) || fail "$out"
to_module "$a"
pool_whole "$a" || fail "the pool is not whole after a new bind"
to_kernel "$a"
unload_module
check_leaks
pass "${out//$'\n'/; }"
