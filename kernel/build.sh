#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds a module for a kernel, outside the tree, and prints its path.
set -euo pipefail

usage() {
	cat >&2 <<USAGE
usage: build.sh [--source DIR] KDIR [OUTDIR]
Builds kernel/linux/peerlane_vfio_pci (or the module whose Kbuild is in DIR, of the same name) against
KDIR (/lib/modules/VERSION/build, or \$(test/vm/kernel.sh 7.2 --dir)/build) with W=1, every warning an
error, and prints the path of the module. Without OUTDIR it goes to a cache keyed by kernel and
source, \${XDG_CACHE_HOME:-~/.cache}/peerlane/modules, or to a temporary directory where that is
read-only.
USAGE
	exit 2
}
src=$(cd "$(dirname "${BASH_SOURCE[0]}")/linux/peerlane_vfio_pci" && pwd)
if [ "${1-}" = --source ] && [ -e "${2-}/Kbuild" ]; then
	src=$(realpath "$2")
	shift 2
fi
[ $# -ge 1 ] && [ $# -le 2 ] && [ -e "$1/Makefile" ] || usage
kdir=$(realpath "$1")
ko=$(basename "$src").ko

# Without what a build in place left there.
sources() {
	find . -type f \( -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild \) -print0 | sort -z
}

out=${2:-}
if [ -z "$out" ]; then
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/peerlane
	# Where a guest sees the cache of the host: the kernel tells.
	case $kdir in */kernels/*) cache=${kdir%%/kernels/*} ;; esac
	key=$({
		echo "$kdir"
		cd "$src" && sources | xargs -0 cat
	} | sha256sum | cut -c1-12)
	out=$cache/modules/$key
	if [ ! -e "$out/$ko" ] && ! mkdir -p "$out" 2>/dev/null; then
		out=$(mktemp -d)
	fi
fi
if [ ! -e "$out/$ko" ] || [ $# -eq 2 ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	(cd "$src" && sources | xargs -0 cp --parents -t "$work")
	unset MAKEFLAGS MFLAGS MAKELEVEL
	make -C "$kdir" M="$work" W=1 KCFLAGS=-Werror modules >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		exit 1
	}
	mkdir -p "$out"
	# Whole or not at all: another build may be at it.
	cp "$work/$ko" "$out/.new.$$"
	mv "$out/.new.$$" "$out/$ko"
fi
echo "$out/$ko"
