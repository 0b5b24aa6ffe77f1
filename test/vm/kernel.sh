#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and caches a guest kernel; prints the path of its bzImage on stdout.
set -euo pipefail
prog=kernel.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Part of the cache key: raise it when the content of a cache entry changes.
format=1
fragments=(base virt nvme vfio iommu p2pdma 9p hugetlb trace selftest lean)

usage() {
	cat <<USAGE
usage: kernel.sh SERIES [--debug] [--cached] [--dir] [--update]
Builds a guest kernel from Debian's linux-source-SERIES (6.12, 7.2) and the fragments in
config/kernel, unless it is cached, and prints the path of its bzImage.
  --debug    the flavour with KASAN, lockdep, DEBUG_VM, kmemleak, fault injection, IOMMUFD_TEST;
             SERIES-debug is the same
  --cached   never build: fail when it is not in the cache
  --dir      print the cache entry instead: bzImage, config, System.map, uapi/include (the
             kernel's uAPI headers), build (make -C build M=... builds an out-of-tree module)
  --update   look for a newer source than the one used last time
The cache is $kernel_cache
USAGE
}

# apt with sources, lists and archives of its own: the machine's configuration stays as it is.
private_apt() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$apt_dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$apt_dir/lists" -o Dir::Cache="$apt_dir/cache" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}

# The machine's own mirror, so that a proxy or a local mirror stays in use.
mirror_of() {
	local suffix=$1 fallback=$2 uri
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -E "/$suffix/?\$" | head -1) || true
	echo "${uri:-$fallback}"
}

write_sources() {
	local main security suite
	main=$(mirror_of debian http://deb.debian.org/debian)
	security=$(mirror_of debian-security http://deb.debian.org/debian-security)
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
	if [ "$series" = 6.12 ]; then
		echo "deb $security bookworm-security main"
	else
		for suite in trixie-backports forky sid; do
			echo "deb $main $suite main"
		done
	fi >"$apt_dir/sources.list"
}

# Sets source_series and source_version, from the mirror; 7.2 may have left the archive.
find_source() {
	local offered
	write_sources
	say "asking $(awk '{ print $2; exit }' "$apt_dir/sources.list") for linux-source-$series"
	private_apt apt-get update >&2 || say "apt-get update failed; using the lists of last time"
	offered=$(private_apt apt-cache search --names-only '^linux-source-[0-9.]+$' |
		sed 's/^linux-source-\([^ ]*\).*/\1/' | sort -V)
	source_series=$series
	if ! grep -qxF "$series" <<<"$offered"; then
		source_series=$(grep "^${series%%.*}\\." <<<"$offered" | tail -1) || true
		[ -n "$source_series" ] ||
			die "no linux-source-$series nor any other ${series%%.*}.x in: ${offered//$'\n'/ }"
	fi
	# Not the candidate, which pinning of backports would choose: the newest of all suites.
	source_version=$(private_apt apt-cache madison "linux-source-$source_series" |
		awk -F ' *[|] *' '{ print $2 }' | sort -V | tail -1)
	[ -n "$source_version" ] || die "no version of linux-source-$source_series is offered"
}

# Which source stands for the series: decided once, so that a cached kernel needs no network.
resolve_source() {
	local record=$kernel_cache/source-$series
	if [ -n "$update" ] || [ ! -s "$record" ]; then
		find_source
		echo "$source_series $source_version" >"$record.tmp"
		mv "$record.tmp" "$record"
	fi
	read -r source_series source_version <"$record"
}

merged_fragments() {
	local name
	for name in "${fragments[@]}"; do
		cat "$repo_dir/config/kernel/$name.config"
	done
}

# Sets entry, the place in the cache: a function of the source and of every option asked for.
locate() {
	local key
	key=$({
		echo "$format $source_series $source_version"
		merged_fragments | grep -E '^(CONFIG_|# CONFIG_)'
	} | sha256sum | cut -c1-12)
	entry=$kernel_cache/$source_version$flavour-$key
	if [ "$source_series" != "$series" ]; then
		say "linux-source-$series is not offered any more: using $source_series"
	fi
}

# The unpacked source is shared by the flavours and goes when the build is done.
unpack() {
	[ -d "$src" ] && return
	local package=linux-source-$source_series deb
	say "fetching $package $source_version"
	[ -s "$apt_dir/sources.list" ] || write_sources
	mkdir -p "$work/deb"
	(cd "$work/deb" && private_apt apt-get download "$package=$source_version" >&2) || {
		private_apt apt-get update >&2 || true
		(cd "$work/deb" && private_apt apt-get download "$package=$source_version" >&2)
	} || die "$package $source_version could not be downloaded; try kernel.sh $series --update"
	deb=$(ls -t "$work/deb/${package}_"*.deb | head -1)
	say "unpacking $(basename "$deb")"
	rm -rf "$src.tmp"
	mkdir -p "$src.tmp"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package.tar.xz" |
		tar -xJ -C "$src.tmp" --strip-components=1
	mv "$src.tmp" "$src"
	rm -f "$deb"
}

# olddefconfig drops without a word what lacks a dependency. An option which this series does
# not have at all is a difference between series; one it has and did not keep is an error.
check_config() {
	{ find "$src" -name 'Kconfig*' -type f -print0 | xargs -0 cat |
		sed -n 's/^[[:space:]]*\(menu\)\{0,1\}config[[:space:]]\{1,\}\([A-Z0-9a-z_]*\).*/\2/p'; } |
		sort -u >"$build/known-options"
	merged_fragments | awk -v known="$build/known-options" -v got="$build/.config" '
		BEGIN {
			while ((getline line <known) > 0) is_known[line] = 1
			while ((getline line <got) > 0)
				if (line ~ /^CONFIG_/) {
					eq = index(line, "=")
					value[substr(line, 1, eq - 1)] = substr(line, eq + 1)
				}
		}
		/^CONFIG_/ { name = $0; sub(/=.*/, "", name); want = substr($0, length(name) + 2) }
		/^# CONFIG_.* is not set$/ { name = $2; want = "" }
		/^CONFIG_|^# CONFIG_/ {
			if (value[name] == want) next
			if (!(substr(name, 8) in is_known)) { print "unknown", name; next }
			printf "lost %s wanted %s got %s\n", name, want == "" ? "n" : want,
				value[name] == "" ? "n" : value[name]
		}' >"$build/config-check"
	sed -n 's/^unknown /not in this series: /p' "$build/config-check" | while read -r line; do
		say "$line"
	done
	if grep -q ^lost "$build/config-check"; then
		sed -n 's/^lost /did not survive olddefconfig: /p' "$build/config-check" >&2
		die "config/kernel asks for options whose dependencies are not met (listed above)"
	fi
}

kmake() {
	nice -n 19 make -C "$src" O="$build" \
		KBUILD_BUILD_USER=peerlane KBUILD_BUILD_HOST=peerlane KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' "$@"
}

# Runs kmake with its output in the log and a line every 500 objects.
logged() {
	kmake "$@" 2>&1 | tee -a "$log" |
		awk -v prog="$prog" '/^  (CC|AS|AR) / { if (++n % 500 == 0)
			{ print prog ": " n " objects" >"/dev/stderr" } }' || {
		tail -25 "$log" >&2
		die "make $* failed; the whole log is $log"
	}
}

configure() {
	mkdir -p "$build"
	: >"$log"
	logged tinyconfig
	merged_fragments >>"$build/.config"
	logged olddefconfig
	check_config
}

# Gathers what the entry holds in a directory of its own, then moves it into place whole.
install_entry() {
	local out
	out=$work/out-$(basename "$entry")
	rm -rf "$out"
	mkdir -p "$out"
	cp "$build/arch/x86/boot/bzImage" "$build/System.map" "$out/"
	cp "$build/.config" "$out/config"
	logged headers_install INSTALL_HDR_PATH="$out/uapi"
	logged run-command KBUILD_RUN_COMMAND="\$(srctree)/scripts/package/install-extmod-build $out/build"
	cp "$build/.config" "$out/build/"
	echo "linux-source-$source_series $source_version$flavour built in $SECONDS s" >"$out/origin"
	mv -T "$out" "$entry"
}

build_kernel() {
	need_packages
	unpack
	say "building $(basename "$entry") (minutes; log: $log)"
	configure
	logged -j"$(nproc)" bzImage modules
	install_entry
	rm -rf "$build" "$src" "$log"
	say "built $entry in $SECONDS s"
}

series='' flavour='' update='' cached='' print_dir=''
for arg in "$@"; do
	case $arg in
	--debug) flavour=-debug ;;
	--cached) cached=1 ;;
	--dir) print_dir=1 ;;
	--update) update=1 ;;
	-h | --help) usage && exit 0 ;;
	[0-9]*.[0-9]*-debug) series=${arg%-debug} flavour=-debug ;;
	[0-9]*.[0-9]*) series=$arg ;;
	*)
		usage >&2
		die "unknown argument '$arg'"
		;;
	esac
done
[ -n "$series" ] || { usage >&2 && exit 2; }
[ -z "$flavour" ] || fragments+=(debug)
# A caller's make must not reach into the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE O

work=$kernel_cache/work
apt_dir=$work/apt-$series
mkdir -p "$work"
if [ -n "$cached" ] && [ ! -s "$kernel_cache/source-$series" ]; then
	die "no kernel $series$flavour is cached; run test/vm/kernel.sh $series${flavour:+ --debug}"
fi
# The cache is complete or absent: looking needs no lock unless something has to be fetched.
exec 9>"$kernel_cache/lock"
if [ -n "$update" ] || [ ! -s "$kernel_cache/source-$series" ]; then
	flock 9
fi
resolve_source
locate
if [ ! -e "$entry/bzImage" ]; then
	[ -z "$cached" ] ||
		die "$(basename "$entry") is not cached; run test/vm/kernel.sh $series${flavour:+ --debug}"
	flock -n 9 || { say "waiting for another kernel build" && flock 9; }
	src=$work/src-$source_version
	build=$work/build-$(basename "$entry")
	log=$build.log
	[ -e "$entry/bzImage" ] || build_kernel
fi
if [ -n "$print_dir" ]; then echo "$entry"; else echo "$entry/bzImage"; fi
