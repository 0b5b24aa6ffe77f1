# SPDX-License-Identifier: BSD-3-Clause
# What scenarios of copies that must be refused share; sourced after peerlane.sh.

# image NAME [BYTES [AT]]: what is in a controller's image, as QEMU wrote it; all of it unless told.
image() {
	dd if="$PL_IMAGES/$1" bs=1M iflag=direct,fullblock,skip_bytes,count_bytes skip="${3:-0}" \
		count="${2:-$(stat -c %s "$PL_IMAGES/$1")}" status=none
}

# gist: of $out, what a program says of itself: errors, path and result.
gist() { grep "^[A-Za-z_-]*: \|^complete in " <<<"$out"; }

# refused NAME IMAGE TEXT... -- SRC DST ARGS...: the copy ends with 2, its message has each TEXT (a
# pattern of grep), and IMAGE is what it was. Which of several is wrong is seen in one run.
refusals=0 bad=()
refused() {
	local name=$1 medium=$2 texts=() text rc
	shift 2
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	shift
	image "$medium" >/tmp/before
	copy "$@"
	rc=$?
	refusals=$((refusals + 1))
	out=$(gist)
	[ $rc -eq 2 ] || bad+=("$name: exit status $rc, not 2: $out")
	for text in "${texts[@]}"; do
		grep -qi -- "$text" <<<"$out" || bad+=("$name: no '$text' in: $out")
	done
	image "$medium" | cmp -s - /tmp/before || bad+=("$name: the medium has changed: $out")
}

# refused_all TEXT...: the end; TEXT is what passes.
refused_all() {
	[ ${#bad[@]} -eq 0 ] || fail "${#bad[@]} times: $(printf '%s\n' "${bad[@]}")"
	pass "$*"
}
