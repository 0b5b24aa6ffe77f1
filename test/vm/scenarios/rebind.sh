#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bind and unbind cycles nvme -> vfio-pci -> nvme end with both drivers working: rebind CYCLES
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
cycles=${1:?rebind CYCLES} src=0000:01:00.0 dst=0000:02:00.0

fill "$src" 1
want=$(digest "$src" 1)
for ((i = 0; i < cycles; i++)); do
	to_user "$src"
	to_kernel "$src"
done
[ "$(digest "$src" 1)" = "$want" ] || fail "after $cycles cycles the kernel's driver reads other data"
poison "$dst" 1
copy "$src:1:0+2048" "$dst" --via host || fail "after $cycles cycles: $out"
[ "$(digest "$dst" 1)" = "$want" ] || fail "after $cycles cycles a copy is wrong"
pass "$cycles cycles nvme -> vfio-pci -> nvme, both drivers work"
