#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Proves that run.sh reports what happened in its guest. usage: selftest.sh [run.sh options]
set -u
here=$(cd "$(dirname "$0")" && pwd)
options=("$@")
failed=0 passed=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# expect STATUS TEXT COMMAND-LINE...: exit status and a line (a pattern) among the output.
expect() {
	local want=$1 text=$2 got
	shift 2
	"$here/run.sh" --iommu none "${options[@]}" "$@" >"$out/log" 2>&1
	got=$?
	if [ $got -eq "$want" ] && { [ -z "$text" ] || grep -qE -- "$text" "$out/log"; }; then
		passed=$((passed + 1))
		echo "PASS selftest: $* -> $want"
	else
		failed=$((failed + 1))
		echo "FAIL selftest: $* -> $got, wanted $want and '$text':"
		sed 's/^/    /' "$out/log" | tail -n 40
	fi
}

expect 0 '' probe exit 0
expect 1 '' probe exit 1
expect 77 '' probe exit 77
expect 0 "^<a b><><it's><\\\$x>\$" probe args 'a b' '' "it's" '$x'
expect 0 '^v 1$' --env 'PROBE_VALUE=v 1' probe env
expect 0 '^200000$' probe many
expect 0 '^started$' probe daemon
expect 0 '^2' probe monitor
expect 0 '' --results "$out/results" probe keep
expect 124 'did not end within 5 s' --timeout 5 probe hang
expect 1 'kernel report' probe warn
expect 1 'kernel report' probe oops
case " ${options[*]} " in
*-debug\ *) expect 1 'BUG: KASAN: ' probe kasan ;;
*) expect 77 'needs a debug kernel' probe kasan ;;
esac
expect 125 'guest panicked' probe panic
expect 124 'guest hung' --smp 1 --timeout 1 --grace 30 probe freeze
if grep -q 'booting again' "$out/log"; then
	failed=$((failed + 1))
	echo "FAIL selftest: a guest that hung in user space was booted again"
fi

# A guest whose processors never start, each time and only the first time.
mkdir "$out/bin"
cat >"$out/bin/qemu-system-x86_64" <<-WRAPPER
	#!/bin/sh
	if [ -e "$out/once" ]; then
		exec $(command -v qemu-system-x86_64) "\$@"
	fi
	: >"$out/once"
	exec $(command -v qemu-system-x86_64) -S "\$@"
WRAPPER
chmod +x "$out/bin/qemu-system-x86_64"
expect 124 'boot 3 did not reach user space' --qemu -S --boot-timeout 1 probe exit 0
PATH=$out/bin:$PATH expect 0 'boot 1 did not reach user space' --accel tcg --boot-timeout 20 \
	--results "$out/results" probe exit 0
if ! grep -q 'HLT=' "$out/results/boot-1.monitor" || [ -e "$out/results/boot-2.monitor" ]; then
	failed=$((failed + 1))
	echo "FAIL selftest: --results DIR did not keep the registers of the one boot that hung"
fi
expect 2 'no executable' no-such-scenario
expect 2 'no topology' --topology no-such-topology probe exit 0
if [ "$(cat "$out/results/kept" 2>/dev/null)" != kept ]; then
	failed=$((failed + 1))
	echo "FAIL selftest: --results DIR did not keep what the scenario left"
fi

# Streaming: the first line must arrive while the scenario still sleeps.
"$here/run.sh" --iommu none "${options[@]}" probe stream | {
	read -r first
	from=$(date +%s%N)
	read -r second
	[ "$first $second" = 'first second' ] && [ $(($(date +%s%N) - from)) -gt 2000000000 ]
}
if [ $? -eq 0 ]; then
	passed=$((passed + 1))
	echo "PASS selftest: output is streamed"
else
	failed=$((failed + 1))
	echo "FAIL selftest: output came at the end, or other than written"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
