#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is installed is enough to build with: every public header alone, and doc/api.md's program
# through pkg-config, which must copy. Prints TAP.
#
#   install.sh BUILD_DIR
set -euo pipefail

build=$(realpath "${1:?usage: install.sh BUILD_DIR}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0

# try NAME COMMAND...: all of a function's steps must do, so they are joined by &&.
try() {
	local name=$1

	shift
	if "$@" >output 2>&1; then
		echo "ok - $name"
	else
		status=1
		echo "not ok - $name"
		cat output
	fi
}

installed() {
	DESTDIR=$work/root meson install --no-rebuild -C "$build" >/dev/null &&
		pc=$(find root -name libpeerlane.pc) &&
		prefix=$(sed -n 's/^prefix=//p' "$pc") &&
		sed -i "s|^prefix=.*|prefix=$work/root$prefix|" "$pc" &&
		export PKG_CONFIG_PATH=$work/${pc%/*} &&
		lib=$(pkg-config --variable=libdir libpeerlane) &&
		ls "$lib/libpeerlane.so" "root$prefix/bin/nvme_copy" "root$prefix/bin/peerlane-testpmd"
}

header_alone() {
	local cflags

	echo "#include <peerlane/$1>" >alone.c
	# shellcheck disable=SC2086 # flags are words
	cflags=$(pkg-config --cflags libpeerlane) &&
		gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only ${cflags//-I/-isystem} alone.c
}

program_builds() {
	sed -n '/^```c$/,/^```$/p' "$root/doc/api.md" | sed '/^```/d' >copy.c
	# shellcheck disable=SC2046 # flags are words
	grep -q 'int main' copy.c &&
		gcc -Wall -Wextra -Werror copy.c -o copy $(pkg-config --cflags --libs libpeerlane)
}

program_copies() {
	head -c 2M /dev/urandom >a.img && truncate -s 2M b.img &&
		LD_LIBRARY_PATH=$lib ./copy -l "$cpu" --no-huge --vdev nvme_emu0,path=a.img \
			--vdev nvme_emu1,path=b.img,cmb=1M &&
		cmp a.img b.img
}

try "installs library, pkg-config file and programs" installed
for header in root"$prefix"/include/peerlane/*.h; do
	try "${header##*/} alone" header_alone "${header##*/}"
done
try "doc/api.md's program builds" program_builds
try "doc/api.md's program copies" program_copies
exit $status
