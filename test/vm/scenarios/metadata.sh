#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A namespace with metadata (topology odd) is refused as source and target, with the reason: metadata BACKEND
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/guest/refused.sh"
backend=${1:?metadata BACKEND} c=0000:03:00.0 b=0000:02:00.0

devices=("$c" "$b")
fill "$b" 2
refused target m "$c" metadata -- "$b:1:0+2048" "$c:3:0" --via host
refused source ab "$c" metadata -- "$c:3:0+2048" "$b:1:4096" --via host
refused_all "$backend: $refusals copies refused with the reason, nothing written"
