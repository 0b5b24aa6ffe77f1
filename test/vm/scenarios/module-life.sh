#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A controller leaves the module under mappings, I/O, descriptors and dead processes: module-life unbind|unplug|unload REPS
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"
. "$PL_VM/programs/p2pmem.sh"
how=${1:?module-life unbind|unplug|unload REPS} reps=${2:?} a=0000:01:00.0 b=0000:02:00.0
usage=(idle read fd dead)

to_kernel "$a"
block=$(block_of "$a")
# Where the kernel's p2pdma refuses the path there is no I/O in flight to wait for.
bridge_listed && usage+=(io)

ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

start_holder() {
	coproc HOLDER { exec "$programs/p2pmem_life" "$b" "$1" "$block" 2>&1; }
	holder=$HOLDER_PID
	exec {from}<&"${HOLDER[0]}" {to}>&"${HOLDER[1]}"
	read -r line <&$from && [ "$line" = ready ] || fail "$1: $line"
	[ "$how" != unload ] && [ "$1" != dead ] && return
	# It is going to be killed, which is none of the shell's business.
	disown "$holder"
	[ "$1" != dead ] || wait_until ended || fail "$1: the holder is alive"
}
ended() { [ ! -e "/proc/$holder" ]; }

# It must find its chunk dead; one that was killed has nothing to say.
end_holder() {
	if [ "$1" != dead ]; then
		echo check >&$to
		read -r line <&$from && [ "$line" = dead ] || fail "$1: $line"
		wait "$holder" || fail "$1: the holder ended with $?"
	fi
	exec {from}<&- {to}>&-
}

gone() { [ ! -e "/sys/bus/pci/devices/$b" ]; }
back() { [ -e "/sys/bus/pci/devices/$b" ]; }

# Each leaves the time that it took in $took. Nothing here waits for a holder that does nothing.
take_unbind() {
	local start
	start=$(ms)
	unbind "$b"
	took=$(($(ms) - start))
}
take_unplug() {
	local start
	start=$(ms)
	qemu_monitor device_del nvme-b || fail "device_del"
	wait_until gone || fail "$1: the controller is still there"
	took=$(($(ms) - start))
}
give_unbind() { :; }
give_unplug() {
	# Its disk went with it; it needs none.
	qemu_monitor device_add nvme,id=nvme-b,bus=rp1,serial=PLANE-B,cmb_size_mb=64 >/dev/null ||
		fail "device_add"
	wait_until back || fail "the controller does not come back"
}

# With a chunk somebody has, the module is in use; as soon as its holders are dead it can go, and
# what I/O they left is waited for.
unloadable() { rmmod $module 2>/dev/null; }
unload_cycle() {
	local start
	if [ "$1" != dead ]; then
		rmmod $module 2>/dev/null && fail "$1: the module was unloaded under a chunk"
		is_driver "$b" $module || fail "$1: a refused rmmod unbound the controller"
		kill -9 "$holder"
		start=$(ms)
	else
		start=$(ms)
	fi
	wait_until unloadable || fail "$1: the module cannot be unloaded: $(lsmod)"
	took=$(($(ms) - start))
	wait_until ended || fail "$1: the holder is alive"
	exec {from}<&- {to}>&-
}

declare -A longest total
for ((i = 0; i < reps; i++)); do
	for use in "${usage[@]}"; do
		load_module
		to_module "$b"
		pool_whole "$b" || fail "$use: the pool is not whole: $(p2pmem "$b" available) of $(p2pmem "$b" size) bytes"
		start_holder "$use"
		if [ "$how" = unload ]; then
			unload_cycle "$use"
		else
			take_$how "$use"
			end_holder "$use"
			give_$how
		fi
		total[$use]=$((${total[$use]-0} + took))
		[ $took -le "${longest[$use]-0}" ] || longest[$use]=$took
	done
done
load_module
to_module "$b"
pool_whole "$b" || fail "the pool is not whole"
unbind "$b"
unload_module
check_leaks
said=
for use in "${usage[@]}"; do
	said+=" $use $((total[$use] / reps))/${longest[$use]}"
done
pass "$how, $reps times each; ms mean/longest:$said"
