#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One emulated and one PCI controller in a process: copies both ways through the host, which the plan explains: mixed BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?mixed BACKEND} bdf=0000:01:00.0 file=/tmp/emu.img why='both reach\|share no IO address space'

# by_host SRC DST: and the plan says why.
by_host() {
	copy "$1" "$2" -o 64K || fail "$1 to $2: $out"
	grep -q 'through host DRAM' <<<"$out" || fail "$1 to $2 did not go through the host: $out"
	grep -q "^reason: .*$why" <<<"$out" || fail "$1 to $2: the plan does not say why: $out"
}

fill "$bdf" 2
want=$(digest "$bdf" 2)
tr '\0' '\252' </dev/zero | head -c 2M >$file
devices=("nvme_emu0,path=$file,cmb=1M" "$bdf")
by_host "$bdf:1:0+4096" nvme_emu0
[ "$(sha256sum <$file | cut -d' ' -f1)" = "$want" ] || fail "the file is not what the kernel's driver wrote"

head -c 2M /dev/urandom >$file
poison "$bdf" 2
by_host nvme_emu0 "$bdf:1:0+4096"
[ "$(digest "$bdf" 2)" = "$(sha256sum <$file | cut -d' ' -f1)" ] ||
	fail "the kernel's driver does not read what is in the file"

copy nvme_emu0 "$bdf:1:0+4096" --via dst
rc=$?
[ $rc -eq 2 ] || fail "--via dst ended with $rc, not 2: $out"
grep -q "$why" <<<"$out" || fail "--via dst: the reason is not named: $out"
pass "$backend: 2 MiB each way through the host, compared from outside; peer to peer is refused"
