# SPDX-License-Identifier: BSD-3-Clause
# What QEMU's controllers do by its trace, and what the kernel maps for them; sourced after lib.sh.

# qemu_trace EVENTS COMMAND...: what QEMU says of EVENTS while COMMAND runs is in the file $trace.
traces=0
qemu_trace() {
	local events=$1 event status=0
	# QEMU appends to a file that is there, such as another scenario's.
	trace=$PL_RESULTS/trace.$$.$((traces = traces + 1))
	: >/run/traced # until it is off again
	qemu_monitor logfile "$PL_HOST_RESULTS/$(basename "$trace")"
	for event in $events; do
		qemu_monitor trace-event "$event" on
	done
	"${@:2}" || status=$?
	for event in $events; do
		qemu_monitor trace-event "$event" off
	done
	rm -f /run/traced
	return $status
}

# cmb_base: where a controller was told in $trace (pci_nvme_mmio_write) that its CMB is: CMBMSC.CBA,
# bits 63:12 of register 50h, when CMSE, bit 1, was written with them. QEMU shows the register's halves.
cmb_base() {
	local register value high=0 base=0
	while read -r register value; do
		if [ "$register" = 0x54 ]; then
			high=$value
		elif [ $((value & 2)) -ne 0 ]; then
			base=$((high << 32 | value & ~4095))
		fi
	done < <(sed -n 's/.*mmio_write addr \(0x5[04]\) data \(0x[0-9a-f]*\) size 4.*/\1 \2/p' "$trace")
	[ $base -ne 0 ] && echo $base
}

# trace_iommu EVENTS COMMAND...: what the kernel maps or unmaps for devices meanwhile is in
# $tracing/trace.
tracing=/sys/kernel/tracing
trace_iommu() {
	local events=$1 event status=0
	echo 16384 >$tracing/buffer_size_kb
	echo >$tracing/trace
	for event in $events; do
		echo 1 >$tracing/events/iommu/"$event"/enable
	done
	"${@:2}" || status=$?
	for event in $events; do
		echo 0 >$tracing/events/iommu/"$event"/enable
	done
	return $status
}
