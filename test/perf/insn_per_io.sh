#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Instructions that pl_nvme_submit() and pl_nvme_poll() execute per 4 KiB read, submission and
# completion together, at burst 1 and burst 32. valgrind counts them, inside these two functions and
# what they call only; two runs of different length are subtracted, so what is printed is the steady
# state, and it repeats to the instruction.
#
#   insn_per_io.sh BUILD_DIR      exit 0 if both figures are within bounds, 1 if not, 77 without valgrind
set -euo pipefail
shopt -s inherit_errexit

build=${1:?usage: insn_per_io.sh BUILD_DIR}
program=$build/test/perf/insn_per_io
bound_1=150
bound_32=80

command -v valgrind >/dev/null || { echo "SKIP: valgrind is not installed"; exit 77; }
[ -x "$program" ] || { echo "insn_per_io.sh: $program is not built" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)

# instructions BURST ROUNDS: total inside the two functions, while measured_rounds() runs
instructions() {
  local out=$work/callgrind.$1.$2
  valgrind --quiet --tool=callgrind --fair-sched=yes --callgrind-out-file="$out" \
    --zero-before=measured_rounds --dump-after=measured_rounds --collect-atstart=no --toggle-collect=pl_nvme_submit --toggle-collect=pl_nvme_poll \
    "$program" "$1" "$2" -l "$cpu" --no-huge --vdev nvme_emu0,size=1M,bs=512 \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
  awk '/^(summary|totals):/ { print $2; exit }' "$out.1"
}

status=0
for burst in 1 32; do
  bound=bound_$burst
  few=$(instructions "$burst" 20)
  many=$(instructions "$burst" 120)
  awk -v d=$((many - few)) -v ios=$((100 * burst)) -v burst="$burst" -v bound="${!bound}" 'BEGIN {
    per = d / ios
    printf "burst %2d: %.2f instructions per 4 KiB read, submit and poll (bound %d)\n", burst, per, bound
    exit !(d > 0) || per > bound
  }' || status=1
done
exit $status
