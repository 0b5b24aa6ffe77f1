#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The guest part of test/run.sh: every scenario on the kernels, IOMMUs and topologies that it is for,
# as TAP on stdout. usage: all.sh BUILD_DIR
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: all.sh BUILD_DIR}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# on KERNEL IOMMU TOPOLOGY SCENARIO [ARGS...]
on() {
	local kernel=$1 iommu=$2 topology=$3 start=$SECONDS aw=39 name status
	shift 3
	case ${missing[*]-} in *"$kernel"*) return ;; esac
	[ "$iommu" != intel48 ] || { iommu=intel aw=48; }
	name="$kernel $iommu${aw#39} $topology: $*"
	# A guest under emulation on a busy machine: what hangs is found, what is slow is not failed.
	"$here/run.sh" --kernel "$kernel" --iommu "$iommu" --aw-bits "$aw" --topology "$topology" \
		--build "$build" --timeout 900 "$@" >"$log" 2>&1 </dev/null
	status=$?
	case $status in
	0) echo "ok - $name ($((SECONDS - start)) s)" ;;
	77) echo "ok - $name # SKIP $(tail -n 1 "$log")" ;;
	*) echo "not ok - $name: exit status $status" ;;
	esac
	sed 's/^/# /' "$log" | tail -n "$([ $status -eq 0 ] && echo 1 || echo 30)"
}

# A kernel that cannot be had here skips what is for it, and says so.
missing=()
for kernel in 7.2 6.12; do
	"$here/kernel.sh" "$kernel" >"$log" 2>&1 && continue
	missing+=("$kernel")
	sed 's/^/# /' "$log" | tail -n 20
	echo "ok - every scenario on Linux $kernel # SKIP no kernel: $(tail -n 1 "$log")"
done

on 7.2 intel cmb-pair boot
on 7.2 intel cmb-pair io iommufd
on 7.2 intel cmb-pair io type1
on 7.2 intel cmb-pair p2p iommufd 4 dst src host auto
on 7.2 intel cmb-pair p2p type1 4 dst src host
on 7.2 intel four p2p iommufd 2 0000:03:00.0
on 7.2 intel pmr p2p iommufd 4 dst
on 7.2 intel cmb-small p2p iommufd 2 dst
on 7.2 intel48 cmb-pair p2p iommufd 2 dst
on 7.2 intel tiny io iommufd
on 7.2 intel lba4k-multins io iommufd
on 7.2 virtio cmb-pair io iommufd
on 7.2 virtio cmb-pair p2p iommufd 2 dst src host
on 7.2 virtio cmb-pair p2p type1 2 dst src host
on 7.2 intel cmb-pair isolation iommufd
on 7.2 intel cmb-pair isolation type1
on 7.2 intel cmb-pair witness iommufd
on 7.2 intel cmb-pair revoke iommufd mem 10
on 7.2 intel cmb-pair revoke iommufd reset 10
on 7.2 intel cmb-pair rebind 100
on 7.2 intel cmb-pair syscalls iommufd
on 7.2 intel cmb-pair nonroot
on 7.2 intel cmb-pair topo
on 6.12 intel cmb-pair io iommufd
on 6.12 intel cmb-pair p2p iommufd 2 dst host
on 6.12 intel cmb-pair p2p type1 4 dst src host
on 6.12 intel cmb-pair topo
