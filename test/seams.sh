#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Whoever adds a backend, a function, a transport, a provider, an end or an engine adds a folder or a file
# and edits no other: so nothing outside knows one by name. As TAP. usage: seams.sh BUILD_DIR
#
# For each implementation this looks at the rest of the tree (not at tests and documents) for
#  - a string that is the name in its table of functions,
#  - an #include of one of its headers,
#  - a reference to one of its symbols that no public header declares.
# A second test holds the variables of lib/ against the list in doc/architecture.md.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${1:?usage: seams.sh BUILD_DIR}")
work=$(mktemp -d "${TMPDIR:-/tmp}/peerlane-seams.XXXXXX")
trap 'rm -rf "$work"' EXIT
status=0

# Who may know which: the software IOMMU has a device's side, which emulated devices use; functions lie
# below the transport for PCI-like ones; lib/pci and peerlane-topo know the kernel's interfaces, which
# have the same names.
allowed='
drivers/nvme/emu lib/iommu/soft
drivers/nvme/emu lib/nvme/pcie
drivers/nvme/vfio lib/nvme/pcie
lib/pci drivers/nvme/vfio
app/topo lib/iommu/iommufd
app/topo lib/iommu/type1
app/topo drivers/nvme/vfio
'

implementations() {
	local path
	for path in lib/iommu/*/ lib/nvme/*/ drivers/*/*/ lib/copy/ends/* app/testpmd/engines/*; do
		path=${path%/}
		case $path in
		*/include | */meson.build | *.h | *'*') ;;
		*) echo "${path%.c}" ;;
		esac
	done | sort -u
}

may() { grep -qxF "$1 $2" <<<"$allowed"; }

# All that is compiled, without its comments, as "FILE:LINE" in one file.
for file in $(git ls-files lib drivers app examples 2>/dev/null || find lib drivers app examples -type f); do
	case $file in *.c | *.h) ;; *) continue ;; esac
	gcc -fpreprocessed -dD -E -P -w "$file" 2>/dev/null | sed "s|^|$file:|"
done >"$work/code"
[ -s "$work/code" ] || { echo "not ok - seams: no source was found"; exit 1; }

# Symbols: "FOLDER-OF-OBJECT T|U NAME".
for archive in $(find "$build" -name '*.a' -path '*lib*'); do
	nm -A "$archive" 2>/dev/null
done | awk '{
	n = split($0, f, ":"); member = f[2]; split(f[n], w, " "); name = w[length(w)]; kind = w[length(w) - 1]
	print member, kind, name }' | sort -u >"$work/symbols"
[ -s "$work/symbols" ] || { echo "not ok - seams: $build has no archive to look into"; exit 1; }
grep -rhoE '\bpl_[a-z0-9_]+ *\(' lib/*/include | tr -d ' (' | sort -u >"$work/public"

# object_of PATH: how meson names the objects that come of it.
object_of() { sed 's|/|_|g' <<<"${1#*/}"; }

# names_of IMPLEMENTATION: those in its tables; an engine's is that of its file.
names_of() {
	case $1 in
	app/*) echo "${1##*/}" ;;
	*) grep -E "^${1//./\\.}" "$work/code" | grep -oE ':\s*\.name = "[^"]+",\s*$' | cut -d'"' -f2 | sort -u ;;
	esac
}

# offences IMPLEMENTATION: "FILE: what".
offences() {
	local impl=$1 base name header object
	base=$(sed 's/[.]/\\./g' <<<"$impl")
	grep -vE "^$base(/|[._][a-z_]*\.?[ch]?:|\.[ch]:)" "$work/code" >"$work/rest"
	while read -r user _; do
		may "$user" "$impl" && sed -i "\|^$user/|d" "$work/rest"
	done <<<"$allowed"
	# An engine is testpmd's own affair, and its name a word that others use.
	[[ $impl != app/* ]] || sed -i "\|^${impl%/*/*}/|!d" "$work/rest"
	names_of "$impl" | while read -r name; do
		grep -E "\"$name[0-9]*\"" "$work/rest" | grep -vE '\.name = ' | sed "s/:.*/: the name \"$name\"/"
	done
	find "$impl" "$impl.h" -name '*.h' 2>/dev/null | while read -r header; do
		grep -E "#include \"([a-z0-9_]*/)*${header##*/}\"" "$work/rest" | sed "s/:.*/: #include ${header##*\/}/"
	done
	object=$(object_of "$impl")
	awk -v o="$object" 'index($1, o) && $2 ~ /^[TDBRV]$/ { print $3 }' "$work/symbols" | sort -u |
		comm -23 - "$work/public" >"$work/mine"
	awk -v o="$object" -v mine="$work/mine" 'BEGIN { while ((getline s < mine) > 0) m[s] }
		!index($1, o) && $2 == "U" && ($3 in m) { print $1, $3 }' "$work/symbols" |
		while read -r member name; do
			for user in $(awk -v i="$impl" '$2 == i { print $1 }' <<<"$allowed"); do
				[[ $member == *"$(object_of "$user")"* ]] && continue 2
			done
			echo "$member: the symbol $name"
		done
}

for impl in $(implementations); do
	offences "$impl" | sort -u >"$work/offences"
	if [ -s "$work/offences" ]; then
		echo "not ok - nothing but its own folder knows $impl"
		sed 's/^/# /' "$work/offences"
		status=1
	else
		echo "ok - nothing but its own folder knows $impl"
	fi
done

# Variables of lib/ that change, but for those inside functions: nm says which objects have some.
for archive in $(find "$build" -name 'libpeerlane_internal.a'); do
	objdump -t "$archive" 2>/dev/null
done | awk '/file format/ { member = $1 } $0 ~ / O (\.data|\.bss|\.tbss|\.tdata|\.data\.rel|\.data\.rel\.local)[ \t]/ {
	if (member ~ /_lib_/ && $NF !~ /\.[0-9]+$/) print member, $NF }' | sort -u >"$work/variables"
while read -r member name; do
	case $name in
	*_subsystem | *_entry | *_entry_ | *_backend_entry) continue ;; # what a registration list links
	esac
	grep -qF "\`$name\`" doc/architecture.md || echo "# ${member%.c.o:}: $name"
done <"$work/variables" >"$work/unlisted"
if [ -s "$work/unlisted" ]; then
	echo "not ok - doc/architecture.md lists every variable of lib/ that changes"
	cat "$work/unlisted"
	status=1
else
	echo "ok - doc/architecture.md lists every variable of lib/ that changes"
fi
exit $status
