#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Peer to peer without root: uid 65534 owns the nodes, as the udev rule arranges; and a memlock limit that does not suffice is named
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
src=0000:01:00.0 dst=0000:02:00.0 backend=iommufd

p2p_possible || skip "no peer to peer with iommufd on Linux $(uname -r)"
fill "$src" 1
want=$(digest "$src" 1)
poison "$dst" 1
to_user "$src"
to_user "$dst"
chown 65534:65534 /dev/iommu "$(vfio_cdev "$src")" "$(vfio_cdev "$dst")"
as_nobody() { # as_nobody MEMLOCK_KIB ARGS...
	(
		ulimit -l "$1" || exit 99
		exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$nvme_copy" -l 0 -m 64 \
			--iommu=iommufd -a "$src" -a "$dst" -- "$src:1:0+2048" "$dst" --via dst -o 64K "${@:2}"
	) 2>&1
}
out=$(as_nobody 1024)
[ $? -ne 0 ] || fail "a memlock limit of 1 MiB sufficed: $out"
grep -q 'RLIMIT_MEMLOCK.*1024 KiB.*ulimit -l' <<<"$out" || fail "the limit and its remedy are not named: $out"
out=$(as_nobody 524288) || fail "uid 65534: $out"
[ "$(digest "$dst" 1)" = "$want" ] || fail "uid 65534: the copy is wrong"
pass "uid 65534 with 512 MiB of memlock copied peer to peer; with 1 MiB it was told the limit and the remedy"
