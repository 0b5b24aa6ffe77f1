#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs Peerlane's tests: test/run.sh [unit|all|soak]
#
# Installs what it needs where it may, builds into build-*/ and runs the unit tests with hugepages,
# without, and under AddressSanitizer and UndefinedBehaviorSanitizer; with "all", the default, also
# the programs from the outside, the leak check, the performance bounds, and the guests of test/vm
# (whose kernels are built once and cached; that takes half an hour). "soak" runs guests for hours,
# and nothing else.
#
# Every test is one line, and a skipped one has its reason. The last line is
#     N passed, N failed, N skipped
# and the exit status is 0 only if nothing failed.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=config/packages.sh
. "$root/config/packages.sh"

# Unit tests take up to 256 MiB of hugepages; this many are added to what is free.
hugepages=128
nr_hugepages=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
hugepages_before=
no_hugepages=

passed=0
failed=0
skipped=0
work=$(mktemp -d "${TMPDIR:-/tmp}/peerlane-test.XXXXXX")

finish() {
	local status=$?

	[ -z "$hugepages_before" ] || echo "$hugepages_before" >"$nr_hugepages" || true
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() {
	printf '\n== %s\n' "$*"
}

# count GROUP: reads TAP, prints one line for each result and keeps the score. Lines that are no
# results are printed as they are.
count() {
	local line

	while IFS= read -r line; do
		case $line in
		"ok - "*" # SKIP "*)
			skipped=$((skipped + 1))
			line=${line#ok - }
			printf 'SKIP  %s: %s: %s\n' "$1" "${line%% # SKIP *}" "${line#* # SKIP }"
			;;
		"ok - "*)
			passed=$((passed + 1))
			printf 'pass  %s: %s\n' "$1" "${line#ok - }"
			;;
		"not ok - "*)
			failed=$((failed + 1))
			printf 'FAIL  %s: %s\n' "$1" "${line#not ok - }"
			;;
		*) printf '      %s\n' "$line" ;;
		esac
	done
}

# tap GROUP COMMAND...: a program that prints TAP. To die without saying what failed is a failure.
tap() {
	local group=$1 status=0 before=$failed

	shift
	"$@" >"$work/tap" 2>"$work/stderr" || status=$?
	count "$group" <"$work/tap"
	sed 's/^/      /' "$work/stderr"
	[ "$status" -eq 0 ] || [ "$failed" -gt "$before" ] ||
		count "$group" <<<"not ok - ${1##*/} ended with exit status $status"
	[ "$status" -ne 0 ] || grep -q '^\(not \)\?ok - ' "$work/tap" ||
		count "$group" <<<"not ok - ${1##*/} ran no test"
}

# check GROUP NAME COMMAND...: a program that is one test. Exit status 77 skips, with the last line
# printed as the reason.
check() {
	local group=$1 name=$2 status=0

	shift 2
	"$@" >"$work/check" 2>&1 || status=$?
	sed 's/^/      /' "$work/check"
	case $status in
	0) count "$group" <<<"ok - $name" ;;
	77) count "$group" <<<"ok - $name # SKIP $(tail -n 1 "$work/check")" ;;
	*) count "$group" <<<"not ok - $name: exit status $status" ;;
	esac
}

# build NAME [meson options]: into build-NAME.
build() {
	local dir=$root/build-$1 log=$work/build.log

	shift
	{
		[ -f "$dir/build.ninja" ] || meson setup "$dir" "$root" "$@" || rm -rf "$dir"
		ninja -C "$dir"
	} >"$log" 2>&1 && return
	cat "$log"
	echo "FAIL  build: ${dir##*/}"
	printf '%s passed, %s failed, %s skipped\n' "$passed" "$((failed + 1))" "$skipped"
	exit 1
}

free_hugepages() {
	cat "${nr_hugepages%/*}/free_hugepages" 2>/dev/null || echo 0
}

# Sets no_hugepages to the reason if the tests cannot have any.
reserve_hugepages() {
	local before

	if [ "$(free_hugepages)" -ge "$hugepages" ]; then
		return
	elif [ ! -e "$nr_hugepages" ]; then
		no_hugepages="this kernel has no 2 MiB hugepages"
	elif [ "$(id -u)" -ne 0 ]; then
		no_hugepages="$(free_hugepages) of $hugepages hugepages are free; only root can reserve"
		no_hugepages="$no_hugepages more: sudo hugeadm --pool-pages-min 2MB:+$hugepages"
	else
		before=$(cat "$nr_hugepages")
		if hugeadm --pool-pages-min "2MB:+$hugepages" 2>/dev/null ||
			echo $((before + hugepages)) 2>/dev/null >"$nr_hugepages"; then
			hugepages_before=$before
		fi
		[ "$(free_hugepages)" -ge "$hugepages" ] ||
			no_hugepages="$(free_hugepages) of $hugepages hugepages are free, no more to be had"
	fi
}

# unit BUILD hugepages|no-huge: the tests follow PL_TEST_NO_HUGE. One at a time: each has threads
# that poll.
unit() {
	local group="unit, $1, $2" log=$root/build-$1/meson-logs/unit-$2 status=0 before=$failed
	local -a env=()

	if [ "$2" = no-huge ]; then
		env=(PL_TEST_NO_HUGE=1)
	elif [ -n "$no_hugepages" ]; then
		count "$group" <<<"ok - all # SKIP $no_hugepages"
		return
	fi
	rm -f "$log.json"
	env "${env[@]}" meson test -C "$root/build-$1" --suite unit --num-processes 1 \
		--timeout-multiplier 2 --no-rebuild --logbase "unit-$2" >"$work/meson" 2>&1 || status=$?
	[ -s "$log.json" ] || cat "$work/meson"
	tap "$group" "$root/test/tap_of_meson.py" "$log.json"
	[ "$status" -eq 0 ] || [ "$failed" -gt "$before" ] ||
		count "$group" <<<"not ok - meson test ended with exit status $status"
}

unit_tests() {
	say "Unit tests"
	unit release hugepages
	unit release no-huge
	unit asan no-huge
}

# cli BUILD [no-huge]: both programs as a user sees them.
cli() {
	local test

	for test in "$root"/test/cli/test_*.py; do
		tap "cli, $1: $(basename "$test" .py)" env PL_TEST_NO_HUGE="${2:-}" \
			/usr/bin/python3 "$test" "$root/build-$1"
	done
}

# guests all|soak: without what QEMU and the kernels need, all of it is skipped.
guests() {
	local -a packages

	mapfile -t packages < <(sed -e 's/#.*//' "$root/config/packages-vm.txt" | tr ' ' '\n' | sed '/^$/d')
	if ! pl_install_packages "${packages[@]}" >"$work/packages" 2>&1; then
		cat "$work/packages"
		count guests <<<"ok - all # SKIP packages of config/packages-vm.txt are missing"
		return
	fi
	# As it comes: a quarter of an hour without a line looks like a hang.
	count guests < <("$root/test/vm/$1.sh" "$root/build-release" 2>&1 ||
		echo "not ok - test/vm/$1.sh ended with exit status $?")
}

all_tests() {
	local script

	unit_tests
	say "The programs from the outside"
	cli release "${no_hugepages:+no-huge}"
	cli asan no-huge
	tap install "$root/test/cli/install.sh" "$root/build-release"
	say "Seams: what is to be added knows a place of its own"
	tap seams "$root/test/seams.sh" "$root/build-release"
	check style format.sh "$root/test/format.sh"
	say "Leaks, as valgrind sees them"
	tap valgrind "$root/test/cli/leaks.sh" "$root/build-debug"
	say "Bounds on performance"
	for script in "$root"/test/perf/*.sh; do
		check perf "$(basename "$script")" "$script" "$root/build-release"
	done
	say "Guests with real kernels"
	guests all
}

soak_tests() {
	say "Guests with real kernels, for hours"
	guests soak
}

what=${1:-all}
case $what in
unit | all | soak) ;;
*)
	echo "usage: $0 [unit|all|soak]" >&2
	exit 2
	;;
esac

pl_install_packages "${pl_packages_build[@]}" "${pl_packages_quickstart[@]}" \
	"${pl_packages_test[@]}" || exit 1
say "Build: release, debug, and debug with ASan and UBSan"
build release -Dbuildtype=release
build debug -Dbuildtype=debug
build asan -Dbuildtype=debug -Db_sanitize=address,undefined -Db_lundef=false
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export LSAN_OPTIONS=print_suppressions=0
reserve_hugepages
"${what}_tests"

printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
