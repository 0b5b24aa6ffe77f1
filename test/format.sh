#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every .c file has the form that .clang-format gives it. Headers align their columns by hand, and the
# module of kernel/ has the kernel's own style: neither is looked at.
#
#   format.sh
set -euo pipefail

# Another release of clang-format breaks lines elsewhere.
wanted=14

cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$(command -v "clang-format-$wanted" || command -v clang-format) || {
	echo "there is no clang-format"
	exit 77
}
version=$("$program" --version | sed 's/.*version \([0-9]*\).*/\1/')
[ "$version" = "$wanted" ] || {
	echo "this is clang-format $version, the form is that of $wanted"
	exit 77
}
mapfile -t files < <(find app drivers examples lib test -name '*.c' | sort)
[ "${#files[@]}" -gt 0 ] || exit 1
"$program" --dry-run --Werror "${files[@]}" || {
	echo "to mend it: $program -i FILE"
	exit 1
}
