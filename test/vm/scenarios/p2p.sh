#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copies by every way that exists, on poisoned targets, read back by the kernel's driver: p2p BACKEND MIB WAY...
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?p2p BACKEND MIB WAY...} mib=${2:?} ways=("${@:3}")
src=0000:01:00.0 dst=0000:02:00.0

fill "$src" "$mib"
want=$(digest "$src" "$mib")
nlb=$((mib << 20 >> 9))
for way in "${ways[@]}"; do
	poison "$dst" "$mib"
	copy "$src:1:0+$nlb" "$dst" --via "$way" -o 64K
	rc=$?
	if [ "$way" != host ] && [ "$way" != auto ] && ! p2p_possible; then
		[ $rc -eq 2 ] || fail "$backend --via $way on $(uname -r) ended with $rc, not 2: $out"
		grep -q "dma-buf" <<<"$out" || fail "$backend --via $way: the reason is not named: $out"
		continue
	fi
	[ $rc -eq 0 ] || fail "$backend --via $way ended with $rc: $out"
	[ "$way" = host ] || grep -q "peer to peer" <<<"$out" || fail "--via $way was not P2P: $out"
	[ "$(digest "$dst" "$mib")" = "$want" ] ||
		fail "$backend --via $way: the kernel's driver reads other data than was copied"
done
p2p_possible || pass "$backend: host memory works, peer to peer is refused with the reason"
pass "$backend: $mib MiB by ${ways[*]}, verified and read back by the kernel's driver"
