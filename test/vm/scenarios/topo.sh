#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# peerlane-topo: the list, and --check as root and as nobody, before and after the udev rule.
. "$PL_VM/guest/lib.sh"
. "$PL_VM/guest/peerlane.sh"

topo=$PL_BUILD/app/topo/peerlane-topo
[ "$PL_IOMMU" != none ] || skip "no IOMMU"

# check STATUS COMMAND...: ends with STATUS; what it printed is in $out.
check() {
	local wanted=$1 status=0
	shift
	out=$("$@" 2>&1) || status=$?
	[ $status -eq "$wanted" ] || fail "exit status $status, not $wanted, of $*:
$out"
}

# has TEXT...: each is in what was printed last.
has() {
	local text
	for text in "$@"; do
		[[ $out == *"$text"* ]] || fail "no '$text' in:
$out"
	done
}

as_nobody() {
	local memlock=$1
	shift
	prlimit --memlock="$memlock:$memlock" \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

mapfile -t bdfs < <(nvme_bdfs)
first=${bdfs[0]}
check 0 "$topo"
has "NVMe controllers bound to a kernel driver" "$first"
cmb=$(cat "/sys/bus/pci/devices/$first/nvme"/nvme*/cmb 2>/dev/null || true)
[ -z "$cmb" ] || has "iB in BAR"
allocate=/sys/bus/pci/devices/$first/p2pmem/allocate
published=
[ ! -e "$allocate" ] || published=1

check 1 "$topo" --check
has "sudo driverctl set-override $first vfio-pci"
bind_driver "$first" vfio-pci || fail "$first cannot be bound to vfio-pci"
group=$(iommu_group "$first")
cdev=$(vfio_cdev "$first")

# Without isolated MSI the kernel wants to be told that it may; the mend is run as it is printed.
status=0
out=$("$topo" --check) || status=$?
if [ $status -ne 0 ]; then
	has "isolate MSI"
	eval "$(sed -n 's/^ *mend: *echo Y | sudo tee /echo Y | tee /p' <<<"$out")"
	check 0 "$topo" --check
fi
has "/dev/iommu can be opened" "$cdev can be opened" "Ready."
case $PL_KERNEL in
6.*) has "only by --iommu=type1" ;;
*) has "its memory can be given to peers on iommufd" ;;
esac
check 0 "$topo" --check --json - "$first"

check 1 as_nobody 8388608 "$topo" --check
has "sudo setfacl -m u:nobody:rw /dev/iommu" "sudo setfacl -m u:nobody:rw $cdev" \
	"RLIMIT_MEMLOCK is 8 MiB"

start_udev
in_group /dev/iommu "$cdev" "/dev/vfio/$group"
check 1 as_nobody 8388608 "$topo" --check
has "RLIMIT_MEMLOCK is 8 MiB, and 128 MiB are to be pinned" "1 of"
check 0 as_nobody 134217728 "$topo" --check
check 0 as_nobody 8388608 "$topo" --check --mem 8

# Peer memory that the kernel's driver publishes when it takes a controller.
if [ -n "$published" ]; then
	bind_driver "$first" nvme || fail "$first cannot be bound to nvme"
	group_is_nogroup() {
		[ "$(stat -c %G "$allocate")" = nogroup ]
	}
	wait_until group_is_nogroup || fail "$allocate is $(stat -c '%U:%G %a' "$allocate")"
fi
pass "as root and as nobody, with $first on $cdev"
