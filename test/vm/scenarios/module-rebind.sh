#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bind and unbind cycles of the module with a stale descriptor and a stale mapping: module-rebind CYCLES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
cycles=${1:?module-rebind CYCLES} b=0000:02:00.0

load_module
to_module "$b"
unbind "$b"
out=$("$programs/p2pmem_rebind" "$b" "$cycles" 2>&1) || fail "$out"
unload_module
check_leaks
fill "$b" 1
pass "$out; the kernel's own driver works after it"
