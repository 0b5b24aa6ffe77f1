#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# First process of the guest once the host's root is in place: runs one scenario (or a shell),
# looks through the kernel's log, leaves the exit status in the results directory, powers off.
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp
share=/run/peerlane
. $share/env
. "$PL_VM/guest/dmesg.sh"

power_off() {
	sync
	mkfifo /run/forever
	# Not /sbin/poweroff: it would ask an init system that is not there. Nor may this process end,
	# or start another: the devices below the root go first.
	echo o >/proc/sysrq-trigger
	read -r _ <>/run/forever
}

# A shell on the serial console, with job control: it needs a controlling terminal.
run_shell() {
	cat <<-HELP
		Guest: Linux $(uname -r), iommu $PL_IOMMU, topology $(basename "$PL_TOPOLOGY").
		The host's root is read-only; $PL_RESULTS is the results directory on the host.
		'. $PL_VM/guest/lib.sh' gives the scenarios' functions. 'exit' powers off; Ctrl-A X kills.
	HELP
	stty sane ${PL_ROWS:+rows $PL_ROWS} ${PL_COLUMNS:+cols $PL_COLUMNS}
	cd "$PL_CWD" 2>/dev/null || cd /
	# By its name: the descriptors that the kernel opened belong to no visible /dev.
	setsid -c -w bash -i <>/dev/ttyS0 >&0 2>&1
	echo $? >$share/status
}

# The name is the port's, its device number is the kernel's business.
find_port() {
	local dir
	for dir in /sys/class/virtio-ports/*; do
		if [ "$(cat "$dir/name")" = "$1" ]; then
			echo "/dev/$(basename "$dir")"
			return
		fi
	done
}

run_scenario() {
	local status reader
	mkfifo /run/scenario.out
	# A pipe, as on any CI host, and not the port: a port can be opened only once.
	cat /run/scenario.out >"$(find_port out)" &
	reader=$!
	exec 3>/run/scenario.out
	cd "$PL_CWD" 2>/dev/null || cd /
	SECONDS=0
	timeout -k 5 "$PL_TIMEOUT" "${PL_COMMAND[@]}" </dev/null >&3 2>&1 3>&-
	status=$?
	cd /
	# 137 comes from a killed scenario too: an Oops kills whoever ran into it.
	if [ $status -eq 124 ] || { [ $status -eq 137 ] && [ $SECONDS -ge "$PL_TIMEOUT" ]; }; then
		echo "run.sh: the scenario did not end within $PL_TIMEOUT s; what is left of it:" >&3
		ps -eo pid,ppid,stat,wchan:32,args --ppid 2 --deselect >&3
		echo w >/proc/sysrq-trigger
		status=124
	fi
	dmesg >$share/dmesg
	if ! dmesg_reports $share/dmesg >&3 || ! taint_reports >&3; then
		[ $status -eq 124 ] || status=1
	fi
	exec 3>&-
	# A daemon which the scenario left behind may hold the pipe: what it says is not waited for.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 $reader 2>/dev/null || break
		sleep 0.1
	done
	echo $status >$share/status
}

if [ -n "$PL_SHELL" ]; then
	run_shell
else
	run_scenario
fi
power_off
