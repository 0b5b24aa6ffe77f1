# SPDX-License-Identifier: BSD-3-Clause
# What scenarios that strike a copy share: the copy in the background, and a judgement of its target
# from outside, by the image as QEMU wrote it; sourced after peerlane.sh.
#
# A copy that ends well must have every byte right. One that does not must have every byte right that
# it says is complete. Both are counted over a whole scenario, which fails at its end: how much was
# wrong says more than that something was.

copies=0 whole=0 failed=0 acknowledged=0 wrong=0 first_wrong=

# keep BDF MIB AT FILE: random data to the controller's AT'th MiB by the kernel's driver, and to FILE.
keep() {
	head -c "${2}M" /dev/urandom >"$4"
	to_kernel "$1"
	dd if="$4" of="$(block_of "$1")" bs=1M seek="$3" oflag=direct status=none || fail "$1: cannot be filled"
}

# start_copy CORE DEVICES ARGS...: nvme_copy of the controllers named in DEVICES, in the background; $pid.
# Returns as soon as its plan is printed, before its first command. It is given 100 s, which is more
# than three times what the library lets a copy stand still.
start_copy() {
	local core=$1 args=() bdf
	for bdf in $2; do
		args+=(-a "$bdf")
	done
	shift 2
	rm -f "/run/json.$core"
	: >"/run/out.$core" # nor what the last one said
	timeout -k 5 100 "$nvme_copy" -l "$core" -m 64 --iommu="$backend" "${args[@]}" -- "$@" \
		--json "/run/json.$core" >"/run/out.$core" 2>&1 &
	pid=$!
	wait_until grep -q '^plan:' "/run/out.$core" || fail "no plan: $(cat "/run/out.$core")"
}

running() { kill -0 "$pid" 2>/dev/null; }

# end_copy: sets $rc and $out. Only 0 and 1 are ends of a copy whose plan was printed.
end_copy() {
	wait "$pid"
	rc=$?
	out=$(cat "/run/out.${1:-0}")
	case $rc in
	0 | 1) ;;
	124 | 137) fail "a copy did not end within 100 s: $out" ;;
	*) fail "a copy ended with $rc: $out" ;;
	esac
	[ $rc -eq 0 ] || grep -q '^nvme_copy: .' <<<"$out" || fail "a copy failed without a reason: $out"
}

# complete_ranges [CORE]: SLBA+NLB, one a line: all of them, where the text shows eight.
complete_ranges() {
	[ ! -s "/run/json.${1:-0}" ] || awk -F'[:,]' '/"complete_ranges"/ { on = 1 }
		on && /"slba"/ { slba = $2 + 0 } on && /"nlb"/ { print slba "+" $2 + 0 }' "/run/json.${1:-0}"
}

# judge IMAGE WANT SLBA NLB: what the copy that has just ended says of the range in IMAGE, against
# WANT; in $said, and in the counts.
judge() {
	local ranges blocks bad first
	copies=$((copies + 1))
	mapfile -t ranges < <(complete_ranges)
	if [ "$rc" -eq 0 ]; then
		whole=$((whole + 1))
		ranges=("$3+$4")
	else
		failed=$((failed + 1))
	fi
	said=$("$PL_BUILD/test/vm/programs/wrong_blocks" "$2" "$PL_IMAGES/$1" "$3" "${ranges[@]}") || fail "$said"
	read -r blocks bad first <<<"$said"
	acknowledged=$((acknowledged + blocks))
	[ "$bad" -gt 0 ] || return 0
	wrong=$((wrong + bad))
	echo "exit status $rc, $bad of $blocks acknowledged blocks are wrong, the first is LBA $first: $(tail -n 1 <<<"$out")"
	first_wrong=${first_wrong:-$first}
}

# verdict TEXT...: the end of a scenario of such copies; TEXT comes first.
verdict() {
	local text="$*: $copies copies, $whole with exit status 0, $failed with 1,"
	text+=" $acknowledged blocks acknowledged, $wrong of them wrong"
	[ $wrong -eq 0 ] || fail "$text"
	pass "$text"
}

# throttle DEVICE IOPS: of the controller with this id in QEMU; 0 is no limit.
throttle() {
	qemu_monitor "block_set_io_throttle $1 0 0 0 $2 0 0" >/run/throttle || fail "throttle: $(cat /run/throttle)"
}
