#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two controllers share a namespace (topology odd): ranges that overlap are refused, others are copied: shared BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/refused.sh"
backend=${1:?shared BACKEND} a=0000:01:00.0 b=0000:02:00.0
p2p_possible && ways=(dst src host) || ways=(host)

fill "$a" 16
devices=("$a" "$b")
to_user "$a"
to_user "$b"
for via in "${ways[@]}"; do
	refused "into its middle by $via" ab "$a" "$b" overlap -- "$a:1:0+8192" "$b:1:1000" --via "$via"
done
refused "its last block" ab "$a" "$b" overlap -- "$a:1:0+8192" "$b:1:8191"
refused "backwards" ab "$a" "$b" overlap -- "$b:1:1000+8192" "$a:1:0"
refused "onto itself" ab "$a" "$b" overlap -- "$a:1:0+8192" "$b:1:0" --no-verify
image ab 4M >/tmp/want
copy "$a:1:0+8192" "$b:1:8192" --via "${ways[0]}" || bad+=("ranges that touch: $out")
image ab 4M 4M | cmp -s - /tmp/want || bad+=("ranges that touch: the copy is wrong")
image ab 4M | cmp -s - /tmp/want || bad+=("ranges that touch: the source has changed")
refused_all "$backend: $refusals overlapping copies refused, both controllers named, nothing written; ranges that touch are copied"
