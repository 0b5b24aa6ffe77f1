#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A member of the IOMMU group is the kernel's (topology odd), or another process has the controller: both are named, no useless advice: group BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
backend=${1:?group BACKEND} f=0000:06:00.0 g=0000:06:00.1 a=0000:01:00.0 b=0000:02:00.0 bad=()
topo=$PL_BUILD/app/topo/peerlane-topo

[ "$(iommu_group $f)" = "$(iommu_group $g)" ] || fail "$f and $g are not in one group"
# says NAME STATUS [no] TEXT... : of $rc and $out.
says() {
	local name=$1 status=$2 text no=
	shift 2
	[ "$rc" -eq "$status" ] || bad+=("$name: exit status $rc, not $status: $out")
	for text in "$@"; do
		if [ "$text" = no ]; then
			no=1
		elif [ -n "$no" ]; then
			! grep -qi -- "$text" <<<"$out" || bad+=("$name: '$text' in: $out")
		else
			grep -qi -- "$text" <<<"$out" || bad+=("$name: no '$text' in: $out")
		fi
	done
}

to_user $f
to_kernel $g
devices=("$f")
copy "$f:1:0+2048" "$f:1:4096"
rc=$?
says "member at the kernel's driver" 2 "$f" "$g" no allow_unsafe
out=$("$topo" --check $f 2>&1)
rc=$?
says "--check of it" 1 "$g" no allow_unsafe "isolate MSI" Ready.
to_user $g
devices=("$f" "$g")
copy "$f:1:0+2048" "$f:1:4096"
rc=$?
says "the whole group" 0

# In use: the controller itself, then another of its group, by a process that goes on until it is told.
in_use() {
	local held=$1 wanted=$2 pid
	: >/run/held
	"$testpmd" -l 1 -m 64 --iommu="$backend" -a "$held" -- -w randread -o 4K -q 1 -t 600 >/run/held 2>&1 &
	pid=$!
	wait_until grep -q '4 KiB I/Os' /run/held || fail "testpmd does not run: $(cat /run/held)"
	devices=("$wanted")
	copy "$wanted:1:0+2048" "$wanted:1:4096"
	rc=$?
	says "$wanted while $held is in use" 2 "$wanted" 'in use' no allow_unsafe 'Invalid argument'
	out=$("$topo" --check "$wanted" 2>&1)
	rc=$?
	says "--check of $wanted while $held is in use" 1 'in use' no allow_unsafe Ready.
	kill -INT $pid
	wait $pid
}
to_user $a
in_use $a $a
in_use $f $g
[ ${#bad[@]} -eq 0 ] || fail "${#bad[@]} times: $(printf '%s\n' "${bad[@]}")"
pass "$backend: a kernel-bound member and a process that has the controller are named, by the copy and by --check"
