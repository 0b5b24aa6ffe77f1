#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Peer to peer as uid 65534, by the udev rule's ownership; a memlock limit that does not suffice is named: nonroot BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
src=0000:01:00.0 dst=0000:02:00.0 backend=${1:?nonroot BACKEND}

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
fill "$src" 1
want=$(digest "$src" 1)
poison "$dst" 1
to_user "$src"
to_user "$dst"
as_nobody() { # as_nobody MEMLOCK_KIB
	(
		ulimit -l "$1" || exit 99
		exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$nvme_copy" -l 0 -m 64 \
			--iommu="$backend" -a "$src" -a "$dst" -- "$src:1:0+2048" "$dst" --via dst -o 64K
	) 2>&1
}
start_udev
in_group /dev/iommu "$(vfio_cdev "$src")" "$(vfio_cdev "$dst")" "/dev/vfio/$(iommu_group "$src")" \
	"/dev/vfio/$(iommu_group "$dst")"
out=$(as_nobody 1024) && fail "a memlock limit of 1 MiB sufficed: $out"
grep -q 'RLIMIT_MEMLOCK.*1024 KiB.*ulimit -l' <<<"$out" || fail "the limit and its remedy are not named: $out"
# Opened once more by their names: a node that is away from its group is out of reach.
chgrp root /dev/iommu "/dev/vfio/$(iommu_group "$src")"
out=$(as_nobody 524288) && fail "uid 65534 reached nodes of group root: $out"
chgrp nogroup /dev/iommu "/dev/vfio/$(iommu_group "$src")"
out=$(as_nobody 524288) || fail "uid 65534: $out"
[ "$(digest "$dst" 1)" = "$want" ] || fail "uid 65534: the copy is wrong"
pass "$backend: uid 65534 copied peer to peer by the udev rule's group, with 512 MiB of memlock;" \
	"with 1 MiB it was told the limit and the remedy"
