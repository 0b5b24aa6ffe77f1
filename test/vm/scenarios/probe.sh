#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ends in the way its argument names; test/vm/selftest.sh sees whether run.sh tells the truth.
. "$PL_VM/guest/lib.sh"

lkdtm=/sys/kernel/debug/provoke-crash/DIRECT

case $1 in
exit) exit "$2" ;;
args)
	shift
	printf '<%s>' "$@"
	echo
	;;
env) echo "$PROBE_VALUE" ;;
stream)
	echo first
	sleep 3
	echo second
	;;
many) seq 200000 ;;
daemon)
	sleep 1000 &
	echo started
	;;
keep) echo kept >"$PL_RESULTS/kept" ;;
monitor) qemu_monitor info version && qemu_monitor info pci | grep -c 'Class 0264' ;;
hang) sleep 1000 ;;
kasan)
	zgrep -q ^CONFIG_KASAN=y /proc/config.gz || skip "needs a debug kernel"
	echo READ_AFTER_FREE >$lkdtm
	;;
warn) echo WARNING >$lkdtm ;;
oops) (echo EXCEPTION >$lkdtm) ;;
panic) echo PANIC >$lkdtm ;;
freeze)
	# Interrupts off on the only processor: nothing in the guest can end it.
	echo HARDLOCKUP >$lkdtm
	;;
*) fail "unknown: '$1'" ;;
esac
