#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Boots a guest on the host's own root and runs one scenario in it.
set -euo pipefail
prog=run.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$vm_dir/guest/dmesg.sh"
. "$vm_dir/guest.sh"

usage() {
	cat <<USAGE
usage: run.sh [options] SCENARIO [ARGS...]
       run.sh [options] --shell
Runs SCENARIO (a name in test/vm/scenarios, or the path of an executable) as root in a guest whose
root is this machine's, read-only; streams its output and ends with its exit status.
  --kernel SERIES      7.2 (default), 6.12, with -debug for the debug flavour
  --iommu KIND         intel (default), virtio, none
  --aw-bits N          39 (default) or 48: address width of the Intel IOMMU
  --topology NAME      a file in test/vm/topologies (default cmb-pair), or a path
  --cpu MODEL          QEMU's CPU model (default max)
  --smp N, --mem SIZE  default 2 and 2G
  --append TEXT        more kernel command line (hugepages=256 is there already)
  --qemu ARG           one more argument for QEMU; repeatable
  --env NAME=VALUE     exported to the scenario; repeatable
  --build DIR          build directory (default \$PL_BUILD, or build in the repository)
  --bind DIR           show DIR of the host where a tmpfs would hide it; repeatable
  --results DIR        keep the results directory (console, dmesg, what the scenario leaves)
  --timeout SECONDS    for the scenario (default 300)
  --grace SECONDS      more than that for boot and end, before the guest is given up (default 60)
  --boot-timeout SECONDS  for the boot to user space (default 60, longer on a busy machine); a guest
                       that hangs before user space is booted again, at most twice, which is said
  --accel KIND         kvm, tcg, or icount (one TSC tick is one instruction); default: kvm if a
                       guest was seen to boot with it, else tcg
  --shell              an interactive shell in the same guest
  --list               topologies and scenarios
exit status: the scenario's (0 passed, 1 failed, 77 cannot run here); 1 also when the kernel
reported an error of its own; 124 not ended in time; 125 the guest died; 2 wrong usage
USAGE
}

list_names() {
	local file
	for file in "$vm_dir/topologies/"*; do
		printf 'topology  %-16s %s\n' "$(basename "$file")" "$(sed -n '2s/^# //p' "$file")"
	done
	for file in "$vm_dir/scenarios/"*.sh; do
		printf 'scenario  %-16s %s\n' "$(basename "$file" .sh)" "$(sed -n '3s/^# //p' "$file")"
	done
}

kernel=7.2 iommu=intel aw_bits=39 topology=cmb-pair cpu=max smp=2 mem=2G append='' accel=''
build=${PL_BUILD:-$repo_dir/build} results='' timeout=300 grace=60 boot_timeout=60 shell=''
qemu_extra=() env_extra=() binds=()

while [ $# -gt 0 ]; do
	case $1 in
	--shell) shell=1 ;;
	--list) list_names && exit 0 ;;
	-h | --help) usage && exit 0 ;;
	--kernel | --iommu | --aw-bits | --topology | --cpu | --smp | --mem | --append | --qemu | \
		--env | --build | --bind | --results | --timeout | --grace | --boot-timeout | --accel)
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--qemu) qemu_extra+=("$2") ;;
		--env) env_extra+=("$2") ;;
		--bind) binds+=("$(realpath "$2")") ;;
		*)
			name=${1#--}
			printf -v "${name//-/_}" %s "$2"
			;;
		esac
		shift
		;;
	-*) usage >&2 && die "unknown option '$1'" ;;
	*) break ;;
	esac
	shift
done

case $iommu in intel | virtio | none) ;; *) die "--iommu '$iommu' is not intel, virtio or none" ;; esac
case $aw_bits in 39 | 48) ;; *) die "--aw-bits '$aw_bits' is not 39 or 48" ;; esac
case $accel in
'' | tcg | kvm | icount) ;;
*) die "--accel '$accel' is not tcg, kvm or icount" ;;
esac
for name in timeout grace boot_timeout; do
	case ${!name} in
	'' | *[!0-9]*) die "--${name/_/-} '${!name}' is not a number of seconds" ;;
	esac
done
[ -e "$topology" ] && [[ $topology = */* ]] || topology=$vm_dir/topologies/$topology
[ -f "$topology" ] || die "no topology '$(basename "$topology")'; run.sh --list names them"
for pair in "${env_extra[@]}"; do
	[[ $pair =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || die "--env '$pair' is not NAME=VALUE"
done

command=()
if [ -n "$shell" ]; then
	[ $# -eq 0 ] || die "--shell takes no scenario, but '$1' was given"
	[ -t 0 ] || die "--shell needs a terminal"
else
	[ $# -gt 0 ] || { usage >&2 && exit 2; }
	scenario=$1
	shift
	[ -f "$scenario" ] && [[ $scenario = */* ]] || scenario=$vm_dir/scenarios/${scenario%.sh}.sh
	[ -x "$scenario" ] || die "no executable '$scenario'; run.sh --list names the scenarios"
	command=("$(realpath "$scenario")" "$@")
	binds+=("$(dirname "${command[0]}")")
fi

need_packages
kernel_dir=$("$vm_dir/kernel.sh" "$kernel" --dir)

run_dir=$(mktemp -d "${TMPDIR:-/tmp}/peerlane-vm.XXXXXX")
qemu_pid=''
clean_up() {
	# It is timeout's pid, which hands the signal on.
	[ -z "$qemu_pid" ] || { kill "$qemu_pid" && wait "$qemu_pid"; } 2>/dev/null || true
	rm -rf "$run_dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir "$run_dir/images"
results_kept=$results
results=$(realpath -m "${results:-$run_dir/results}")
mkdir -p "$results"
# A status left by an earlier run would pass for this one's.
rm -f "$results/status" "$results/dmesg" "$results/console"

make_initrd "$run_dir/initrd"
[ -n "$accel" ] || accel=$(usable_accel)
qemu_machine
read_topology
share_with_guest
start_guest
