# SPDX-License-Identifier: BSD-3-Clause
# Guests as all.sh and soak.sh list them, as TAP on stdout, as the results come; sourced with their
# arguments. One after the other: two processors are busy with one guest whose programs poll, and two
# side by side take half as long again as one after the other.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: $(basename "$0") BUILD_DIR [WORD...]}
shift
words=("$@")
log=$(mktemp "${TMPDIR:-/tmp}/peerlane-guests.XXXXXX")
trap 'rm -f "$log" "$log.out"' EXIT

# results NAME < OUTPUT: a line for every scenario that came to its end, with its last words, or with
# all of them where it failed. A guest that was booted again says so.
results() {
	local line status seconds scenario
	: >"$log"
	while IFS= read -r line; do
		case $line in
		CELL\ *)
			read -r _ status seconds scenario <<<"$line"
			case $status in
			0) echo "ok - $1: $scenario ($seconds s)" ;;
			77) echo "ok - $1: $scenario # SKIP $(tail -n 1 "$log")" ;;
			*) echo "not ok - $1: $scenario: exit status $status" ;;
			esac
			sed 's/^/# /' "$log" | tail -n "$([ "$status" -eq 0 ] && echo 1 || echo 40)"
			: >"$log"
			;;
		*)
			printf '%s\n' "$line" >>"$log"
			[[ $line != run.sh:* ]] || echo "# $line"
			;;
		esac
	done
}

# wanted WORDS...: a guest of this line is to run.
wanted() {
	local word
	for word in "${words[@]}"; do
		[[ "$*" == *"$word"* ]] || return
	done
	case " ${missing[*]-} " in *" $1 "*) return 1 ;; esac
}

# run_cells SCENARIO...: in one guest, as guest() has it; sets its status and how many were seen to end.
run_cells() {
	# Under emulation, on a busy machine: what hangs is found, what is slow is not failed. A guest
	# that hangs itself leaves its other scenarios no time, so there is no more than for some.
	"$here/run.sh" --kernel "$kernel" --iommu "${iommu%48}" --topology "$topology" --build "$build" \
		--timeout $((300 + 90 * $#)) "${options[@]}" cells "$@" 2>&1 </dev/null |
		tee "$log.out" | results "$name"
	status=${PIPESTATUS[0]}
	seen=$(grep -c '^CELL ' "$log.out")
}

# guest KERNEL IOMMU TOPOLOGY [run.sh's OPTION VALUE]... -- 'SCENARIO [ARGS]'...: in one guest.
guest() {
	wanted "$@" || return 0
	local kernel=$1 iommu=$2 topology=$3 options=() name status seen
	name="$kernel $iommu $topology"
	shift 3
	while [ "$1" != -- ]; do
		options+=("$1" "$2")
		shift 2
	done
	shift
	[ "$iommu" != intel48 ] || options+=(--aw-bits 48)
	run_cells "$@"
	# No guest can be at fault when QEMU gets a SIGSEGV, as 7.2 did once in hundreds of resets under a
	# copy.
	if [ "$seen" -lt $# ] && grep -q '^run.sh: QEMU failed with status 139' "$log.out"; then
		shift "$seen"
		echo "# $name: QEMU itself died of SIGSEGV in: $1; from there on once more"
		run_cells "$@"
	fi
	if [ "$seen" -lt $# ]; then
		echo "not ok - $name: the guest ended with status $status, before $(($# - seen)) of its scenarios"
		sed 's/^/# /' "$log" | tail -n 40
	elif [ "$status" -ne 0 ] && awk '/^CELL / && $2 && $2 != 77 { exit 1 }' "$log.out"; then
		echo "not ok - $name: every scenario passed, but the guest ended with status $status"
		sed 's/^/# /' "$log" | tail -n 40
	fi
}

# module KERNEL: it builds, with W=1 and every warning an error; guests find it in the cache.
module() {
	local status=0
	wanted "$1" module || return 0
	"$here/../../kernel/build.sh" "$("$here/kernel.sh" "$1" --dir)/build" >"$log" 2>&1 || status=$?
	{ cat "$log" && echo "CELL $status 0 builds without a warning"; } >"$log.out"
	results "peerlane_vfio_pci on $1" <"$log.out"
}

# kernels SERIES...: those that are built, or can be. One that cannot be had skips what is for it, and
# says so.
missing=()
kernels() {
	local kernel
	for kernel in "$@"; do
		"$here/kernel.sh" "$kernel" >"$log" 2>&1 && continue
		missing+=("$kernel")
		sed 's/^/# /' "$log" | tail -n 20
		echo "ok - every scenario on Linux $kernel # SKIP no kernel: $(tail -n 1 "$log")"
	done
}
