#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The functions that the public headers declare, those of the version map and those that the shared
# library exports are the same, and their names begin with pl_.
#
#   symbols.sh LIBRARY
set -euo pipefail

library=$(realpath "${1:?usage: symbols.sh LIBRARY}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Of each declaration with PL_API, what stands before the first parenthesis.
cat "$root"/lib/*/include/peerlane/*.h | grep -v '^#define PL_API' | tr '\n' ' ' |
	grep -o '\<PL_API [^;(]*(' | sed 's/ *($//; s/.*[ *]//' | sort >headers
sed -n 's/^\t\([A-Za-z0-9_]*\);$/\1/p' "$root/lib/peerlane.map" | sort >map
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' >exported.all
grep -v '@@PEERLANE_' exported.all >unversioned || true
sed 's/@.*//' exported.all | sort >exported

status=0
[ -s headers ] || { echo "the headers declare nothing" && status=1; }
[ ! -s unversioned ] || { echo "exported without a version:" && cat unversioned && status=1; }
diff -U0 --label "declared in the headers" headers --label "listed in lib/peerlane.map" map ||
	status=1
diff -U0 --label "listed in lib/peerlane.map" map --label "exported" exported || status=1
! grep -v '^pl_' headers map exported || status=1
exit $status
