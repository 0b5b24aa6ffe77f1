#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds Peerlane and shows it: a disk image goes from one NVMe controller to another, peer to peer,
# and is proven to have arrived. The controllers are emulated; the driver is the real one.
#
# Needs nothing but Debian 12 and, if packages are missing, root or passwordless sudo. Changes
# nothing on the system except for installing those packages.
#
#   PEERLANE_BUILD=DIR  where to build (default: build/ beside this script)
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=config/packages.sh
. "$root/config/packages.sh"

image_mib=64
work=

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}

finish() {
	local status=$?

	[ -n "$work" ] || exit "$status"
	cd /
	if [ "$status" -eq 0 ]; then
		rm -rf "$work"
	else
		echo "quickstart: failed; the images and reports are left in $work" >&2
	fi
	exit "$status"
}

# A build directory that somebody else owns (root built before, say) is left alone.
choose_build_dir() {
	if [ -n "${PEERLANE_BUILD:-}" ]; then
		build=$(realpath -m "$PEERLANE_BUILD")
		return
	fi
	build=$root/build
	if mkdir -p "$build" 2>/dev/null && [ -z "$(find "$build" ! -writable -print -quit)" ]; then
		return
	fi
	build=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/peerlane/build
	mkdir -p "$build" 2>/dev/null ||
		die "neither $root/build nor $build can be written; name another: PEERLANE_BUILD=DIR $0"
}

build() {
	local log=$build/quickstart.log

	mkdir -p "$build"
	if [ ! -f "$build/build.ninja" ]; then
		meson setup "$build" "$root" -Dbuildtype=release -Dtests=false >"$log" 2>&1 || {
			cat "$log" >&2
			die "the build could not be configured"
		}
	fi
	ninja -C "$build" >"$log" 2>&1 || {
		cat "$log" >&2
		die "the build failed"
	}
	copy=$build/examples/nvme_copy/nvme_copy
	echo "built: $copy"
}

# A file system with Peerlane's sources and some random files in it; mke2fs needs no root for that.
make_source() {
	local i

	mkdir files
	cp -R "$root/lib" "$root/drivers" "$root/app" "$root/examples" "$root/README.md" files
	for i in 1 2 3 4; do
		head -c 10M /dev/urandom >"files/random$i"
	done
	mke2fs -q -t ext4 -b 4096 -L peerlane -d files source.img "${image_mib}M"
	cp files/random3 expected
	rm -rf files
}

# Not zeros: a block that was never written must not look like an empty one.
make_target() {
	rm -f target.img
	truncate -s "${image_mib}M" target.img
	head -c "${image_mib}M" /dev/zero | tr '\0' '\252' |
		dd of=target.img conv=notrunc bs=1M iflag=fullblock status=none
}

# run_copy REPORT [nvme_copy options]
run_copy() {
	local report=$1
	local -a command

	shift
	# shellcheck disable=SC2054 # the commas are the values' own
	command=("$copy" -l "$cpu" --vdev nvme_emu0,path=source.img
		--vdev "nvme_emu1,path=target.img,cmb=32M" -- nvme_emu0 nvme_emu1 "$@")
	printf '$ %s\n' "${command[*]}"
	"${command[@]}" --json "$report"
}

prove() {
	local source target

	source=$(sha256sum <source.img)
	target=$(sha256sum <target.img)
	printf 'sha256 of source.img  %s\nsha256 of target.img  %s\n' "${source%% *}" "${target%% *}"
	[ "$source" = "$target" ] || die "the images differ"
	fsck.ext4 -fn target.img || die "the file system on the copy is damaged"
	debugfs -R 'cat /random3' target.img 2>/dev/null | cmp - expected ||
		die "a file on the copy differs from the one that was put on the source"
	echo "a file of 10 MiB, read from the copy with debugfs, is the one that was put there"
}

# One line for each run, from its JSON report; fails if a figure is not what it must be.
compare() {
	python3 - $((image_mib << 20)) p2p.json host.json <<'PYTHON'
import json
import sys

MIB = 1 << 20
size = int(sys.argv[1])


def text(count):
    return "0 B" if count == 0 else "%.0f MiB" % (count / MIB)


runs = [(name, json.load(open(path))["jobs"][0])
        for name, path in (("P2P", sys.argv[2]), ("host", sys.argv[3]))]
width = max(len(job["peerlane"]["path"]) for name, job in runs)
for name, job in runs:
    mine = job["peerlane"]
    host = mine["host_dram_bytes"]
    peer = sum(mine["traffic"]["copy"]["data"]["peer_cmb"].values())
    print("%-4s  %-*s  %6.0f MiB/s  %s  host DRAM: %-7s  peer CMB: %s" % (
        name, width, mine["path"], job["write"]["bw_bytes"] / MIB,
        "verified" if mine["verified"] else "NOT VERIFIED", text(host), text(peer)))
    if not mine["verified"] or (host, peer) != ((0, size) if name == "P2P" else (2 * size, 0)):
        sys.exit("quickstart: these figures are not those of a verified %s copy" % name)
PYTHON
}

SECONDS=0
say "Packages"
pl_install_packages "${pl_packages_build[@]}" "${pl_packages_quickstart[@]}" || exit 1
echo "all there"

say "Build"
choose_build_dir
build
cpu=$(pl_first_cpu)

say "An ext4 image of $image_mib MiB, and a target full of AAh bytes"
trap finish EXIT
work=$(mktemp -d "${TMPDIR:-/tmp}/peerlane-quickstart.XXXXXX")
cd "$work" # so that no comma of a path can end a --vdev value
make_source
make_target
ls -l source.img target.img

say "Copy, peer to peer: the source's controller writes into the memory of the target's controller"
run_copy p2p.json
say "Proof"
prove

say "The same copy through host DRAM, for comparison"
make_target
run_copy host.json --via host
cmp source.img target.img

say "Side by side (bytes as the devices counted them; speeds are those of this machine's memcpy)"
compare

say "Where to go next (this took $SECONDS s)"
cat <<TEXT
$copy --help
$build/app/testpmd/peerlane-testpmd --help
$root/README.md              what the figures mean, PCI controllers, what to read next
$root/test/run.sh            the tests
TEXT
