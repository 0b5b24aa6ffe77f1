#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# System calls and allocations of a polling lcore: peerlane-testpmd runs with N and with 10 N I/Os.
# While it does I/O the polling thread must make as many system calls in the long run as in the
# short one, as strace sees it (there is one, isatty() before the first I/O), and from start to end
# it must allocate and free as often, as malloc_count.c counts it. The threads of the emulated
# devices are the device: theirs are shown apart.
#
#   syscalls.sh BUILD_DIR      exit 0 if so, 1 if not, 77 where nothing can be traced
set -euo pipefail
shopt -s inherit_errexit

build=${1:?usage: syscalls.sh BUILD_DIR}
few=2000
many=$((10 * few))

if ! strace -o /dev/null true 2>/dev/null; then
	echo "strace is not installed, or tracing is not permitted here"
	exit 77
fi
cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# testpmd WORKLOAD COUNT: the command, in an array
testpmd() {
	command=("$build/app/testpmd/peerlane-testpmd" -l "$cpu" --no-huge
		--vdev "nvme_emu0,size=64M" -- -w "$1" --count "$2")
}

quietly() {
	"$@" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		return 1
	}
}

# system_calls WORKLOAD COUNT: "polling device", how many the polling thread made while it did I/O,
# and the device's threads all in all. Each line of output is written at once, so what lies between
# the last line before the I/O and the first after it in the trace is the I/O.
system_calls() {
	local main all

	rm -f "$work"/trace.*
	testpmd "$@"
	quietly strace -ff -qq -o "$work/trace" stdbuf -oL "${command[@]}"
	main=$(grep -l '^execve(' "$work"/trace.*)
	all=$(cat "$work"/trace.* | wc -l)
	grep -q '^write(1, "on nvme_emu0' "$main"
	sed '1,/^write(1, "on nvme_emu0/d; /^write(1, /,$d' "$main" >"$work/steady"
	echo "$(wc -l <"$work/steady") $((all - $(wc -l <"$main")))"
}

# allocations WORKLOAD COUNT: calls of the main thread
allocations() {
	testpmd "$@"
	quietly env LD_PRELOAD="$build/test/perf/malloc_count.so" MALLOC_COUNT="$work/counts" \
		"${command[@]}"
	awk '$2 == "main" { print $3 }' "$work/counts"
}

status=0
for workload in randread randwrite; do
	few_calls=$(system_calls "$workload" "$few")
	many_calls=$(system_calls "$workload" "$many")
	few_allocs=$(allocations "$workload" "$few")
	many_allocs=$(allocations "$workload" "$many")
	echo "$workload of $few and $many I/Os: the polling thread made ${few_calls% *} and" \
		"${many_calls% *} system calls from the first I/O to the last (the device," \
		"from start to end: ${few_calls#* } and ${many_calls#* })"
	echo "$workload of $few and $many I/Os: the polling thread allocated or freed $few_allocs" \
		"and $many_allocs times from start to end"
	awk -v s=$((${many_calls% *} - ${few_calls% *})) -v a=$((many_allocs - few_allocs)) \
		-v n=$((many - few)) -v w="$workload" 'BEGIN {
			printf "%s: %g system calls and %g allocations per I/O\n", w, s / n, a / n
			exit s != 0 || a != 0
		}' || status=1
done
exit $status
