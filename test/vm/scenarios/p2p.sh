#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copies by every WAY into a poisoned target, read back by the kernel's driver: p2p BACKEND MIB WAY...
#
# WAY is dst, src, host, auto, third (the third controller's CMB), pmr (a PMR, whose ever it is), or
# one of them after "no-": that memory is not there, and the copy is refused with the reason.
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?p2p BACKEND MIB WAY...} mib=${2:?} ways=("${@:3}")
mapfile -t bdfs < <(nvme_bdfs)
src=${bdfs[0]} dst=${bdfs[1]} refused=0 copied=0

# provider WAY: sets via, for nvme_copy, and devices.
provider() {
	local bdf
	devices=("$src" "$dst")
	via=$1
	case $1 in
	third) via=${bdfs[2]:?no third controller} ;;
	pmr)
		for bdf in "${bdfs[@]}"; do
			[ "$(bar_size "$bdf" 4)" -eq 0 ] || via=$bdf
		done
		;;
	esac
	case $via in
	"$dst") via=dst ;;
	*:*) devices+=("$via") ;;
	esac
}

# refuse WAY TEXT: the copy is refused before anything is written, and TEXT is why.
refuse() {
	[ $rc -eq 2 ] || fail "$backend --via $1 on $(uname -r) ended with $rc, not 2: $out"
	grep -q "$2" <<<"$out" || fail "$backend --via $1: the reason is not named: $out"
	refused=$((refused + 1))
	wanted+=("$untouched")
}

fill "$src" "$mib"
want=$(digest "$src" "$mib")
nlb=$(((mib << 20) / $(lba_size "$src")))
poison "$dst" $((mib * ${#ways[@]}))
untouched=$(digest "$dst" "$mib")
wanted=()
for way in "${ways[@]}"; do
	provider "${way#no-}"
	copy "$src:1:0+$nlb" "$dst:1:$((nlb * ${#wanted[@]}))" --via "$via" -o 64K
	rc=$?
	if [ "$via" != host ] && [ "$via" != auto ] && ! p2p_possible; then
		refuse "$via" dma-buf
		continue
	elif [ "$way" != "${way#no-}" ]; then
		refuse "$via" "no CMB or PMR"
		continue
	fi
	[ $rc -eq 0 ] || fail "$backend --via $via ended with $rc: $out"
	if [ "$via" = host ] || ! p2p_possible; then
		grep -q "through host DRAM" <<<"$out" || fail "--via $via was P2P: $out"
	else
		grep -q "peer to peer" <<<"$out" || fail "--via $via was not P2P: $out"
	fi
	[ "$way" != pmr ] || grep -q "PMR ->" <<<"$out" || fail "--via $via was not by a PMR: $out"
	copied=$((copied + 1))
	wanted+=("$want")
done
for ((i = 0; i < ${#ways[@]}; i++)); do
	[ "$(digest "$dst" "$mib" $((i * mib)))" = "${wanted[i]}" ] ||
		fail "$backend ${ways[i]}: the kernel's driver reads other data than it should"
done
pass "$backend: $mib MiB by ${ways[*]}: $copied verified and read back by the kernel's driver," \
	"$refused refused with the reason"
