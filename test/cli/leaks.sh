#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Leaks and invalid accesses of both programs, as valgrind sees them. Prints TAP.
#
#   leaks.sh BUILD_DIR
set -euo pipefail

build=$(realpath "${1:?usage: leaks.sh BUILD_DIR}")
cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0

# leaks NAME EXIT_STATUS PROGRAM ARGUMENTS: memory that nothing points to any more at exit, or that
# is touched where it must not be, is an error.
leaks() {
	local name=$1 want=$2 program=$build/$3 got=0

	shift 3
	valgrind --quiet --fair-sched=yes --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--show-leak-kinds=definite,indirect --error-exitcode=99 --log-file=valgrind.log \
		"$program" -l "$cpu" --no-huge "$@" >output 2>&1 || got=$?
	if [ "$got" -eq "$want" ] && [ ! -s valgrind.log ]; then
		echo "ok - $name"
		return
	fi
	status=1
	echo "not ok - $name: exit status $got instead of $want"
	cat output valgrind.log
}

head -c 2M /dev/urandom >src.img
truncate -s 2M dst.img
copy=examples/nvme_copy/nvme_copy
testpmd=app/testpmd/peerlane-testpmd
pair=(--vdev "nvme_emu0,path=src.img" --vdev "nvme_emu1,path=dst.img,cmb=1M")

leaks "nvme_copy, peer to peer" 0 $copy "${pair[@]}" -- nvme_emu0 nvme_emu1 --json report.json
cmp src.img dst.img || status=1
leaks "nvme_copy, through host memory" 0 $copy "${pair[@]}" -- nvme_emu0 nvme_emu1 --via host
leaks "nvme_copy, failing" 1 $copy --vdev nvme_emu0,path=src.img,drop=3 \
	--vdev nvme_emu1,path=dst.img,cmb=1M -- nvme_emu0 nvme_emu1
leaks "nvme_copy, from a file" 0 $copy --vdev nvme_emu1,path=dst.img,cmb=1M -- file:src.img nvme_emu1
leaks "nvme_copy, to a file" 0 $copy --vdev nvme_emu1,path=src.img,cmb=1M -- nvme_emu1 file:new.img
leaks "nvme_copy, a file refused" 2 $copy "${pair[@]}" -- nvme_emu0 file:none.img --via dst
leaks "nvme_copy, refused" 2 $copy "${pair[@]}" -- nvme_emu0 nvme_emu1 -q 9
leaks "peerlane-testpmd, verifying" 0 $testpmd --vdev nvme_emu0,size=2M,pmr=1M -- \
	-w randrw --count 300 --verify --json report.json
leaks "peerlane-testpmd, copying" 0 $testpmd "${pair[@]}" -- -w copy --count 2 --json report.json
leaks "peerlane-testpmd, failing" 1 $testpmd --vdev nvme_emu0,size=2M,err=5 -- -w read --count 100
leaks "peerlane-testpmd, refused" 2 $testpmd --vdev nvme_emu0,size=2M -- -w read -o 1000
exit $status
