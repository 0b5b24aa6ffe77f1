#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Source, target or provider of a copy is pulled: it ends with that, its list is right, and a copy beside it goes on: unplug BACKEND TIMES ROLE...
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/struck.sh"
backend=${1:?unplug BACKEND TIMES ROLE...} times=${2:?} roles=("${@:3}")
declare -A bdf=([src]=0000:01:00.0 [dst]=0000:02:00.0 [third]=0000:03:00.0) id=([src]=a [dst]=b [third]=c)
declare -A port=([src]=0 [dst]=1 [third]=2)
by_src=0000:04:00.0 by_dst=0000:05:00.0 mib=8 longest=0

p2p_possible || skip "no peer to peer with $backend on Linux $(uname -r)"
keep "${bdf[src]}" $mib 0 /tmp/want.0
keep "${bdf[src]}" $mib $mib /tmp/want.1
keep "$by_src" 1 0 /tmp/want.by
poison "${bdf[dst]}" $mib
poison "$by_dst" 1
for one in "${bdf[@]}" "$by_src" "$by_dst"; do
	to_user "$one"
done

# The pair beside it copies over and over, each time in many small pieces, until it is told to stop.
bystander() {
	local n=0
	while [ ! -e /run/stop ]; do
		start_copy 1 "$by_src $by_dst" "$by_src:1:0+2048" "$by_dst" --via dst -o 4K -q 1
		end_copy 1
		[ $rc -eq 0 ] && grep -q ', verified;' <<<"$out" || fail "the copy beside it ended with $rc: $out"
		n=$((n + 1))
	done
	echo $n
}
rm -f /run/stop
bystander >/run/bystander 2>&1 &
beside=$!
trap 'touch /run/stop' EXIT

gone() { [ ! -e "/sys/bus/pci/devices/$1" ]; }
back() { is_driver "$1" nvme; }
# Refused while QEMU still has the name of the old one. Its medium is shared: see the topology.
added() {
	qemu_monitor "device_add nvme,id=nvme-${id[$1]},bus=rp${port[$1]},serial=PLANE-${id[$1]^},drive=${id[$1]},cmb_size_mb=16,share-rw=on" \
		>/run/added
}
for ((i = 0; i < times; i++)); do
	for role in "${roles[@]}"; do
		pulled=${bdf[$role]} name=nvme-${id[$role]} at=$((i % 2 * mib))
		[ "$role" = third ] && via=$pulled || via=dst
		start_copy 0 "${bdf[*]}" "${bdf[src]}:1:$((at << 11))+$((mib << 11))" "${bdf[dst]}" --via "$via" -o 8K -q 2
		kill -0 $beside 2>/dev/null || fail "$(cat /run/bystander)"
		start=$SECONDS
		qemu_monitor device_del "$name" || fail "device_del $name"
		end_copy
		[ $((SECONDS - start)) -le $longest ] || longest=$((SECONDS - start))
		[ $rc -eq 1 ] || fail "$role pulled: the copy ended with $rc: $out"
		grep -q "$pulled: " <<<"$out" || fail "$role pulled: the error does not name $pulled: $out"
		grep -q 'FAILED (\(ENODEV\|EREMOTEIO\))' <<<"$out" || fail "$role pulled: another error than ENODEV or EREMOTEIO: $out"
		judge b /tmp/want.$((at / mib)) 0 $((mib << 11))
		wait_until gone "$pulled" || fail "$role: $pulled is still there"
		# Its medium stayed; it comes back on it.
		wait_until added "$role" || fail "device_add $name: $(cat /run/added)"
		wait_until back "$pulled" || fail "$role: $pulled does not come back"
		to_user "$pulled"
	done
done
touch /run/stop
wait $beside || fail "$(cat /run/bystander)"
read -r beside </run/bystander
to_kernel "$by_dst"
[ "$(digest "$by_dst" 1)" = "$(sha256sum </tmp/want.by | cut -d' ' -f1)" ] || fail "the copy beside it is wrong"
verdict "$backend, ${roles[*]} pulled $times times, the program ended within $longest s, beside it $beside copies went on and are right"
