# SPDX-License-Identifier: BSD-3-Clause
# Finds the kernel's reports of its own errors; sourced, in the guest by main.sh and on the host by
# run.sh for the console of a guest that died.

# Each of these starts a report. Injected faults and lack of memory are no errors of the kernel.
dmesg_patterns='WARNING: |BUG: |kernel BUG at|Oops|general protection fault|KASAN: |UBSAN: |'
dmesg_patterns+='KCSAN: |kmemleak: [0-9]+ new suspected|unable to handle|refcount_t: |'
dmesg_patterns+='INFO: possible |INFO: task .* blocked|INFO: rcu|INFO: trying to register|'
dmesg_patterns+='rcu: INFO: |possible (circular|recursive) locking|inconsistent lock state|'
dmesg_patterns+='suspicious RCU usage|DEBUG_LOCKS_WARN_ON|DMA-API: .*: (device driver|cacheline)|'
dmesg_patterns+='list_(add|del) corruption|watchdog: BUG|Kernel panic|double fault'

# Prints every report in FILE with what belongs to it; 1 when there was one.
dmesg_reports() {
	awk -v patterns="$dmesg_patterns" '
		$0 ~ patterns && left == 0 { reports++; left = 60; print "--- kernel report:" }
		left > 0 { print; left = /---\[ end trace|Rebooting in|end Kernel panic/ ? 0 : left - 1 }
		END { if (reports) { print "--- kernel reports: " reports; exit 1 } }' "$1"
}

# The taint flags outlive the log: bad page 32, died 128, warned 512, soft lockup 16384.
taint_reports() {
	local taint
	taint=$(cat /proc/sys/kernel/tainted)
	if [ $((taint & (32 | 128 | 512 | 16384))) -ne 0 ]; then
		echo "--- kernel tainted: $taint"
		return 1
	fi
}
