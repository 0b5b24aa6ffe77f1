# SPDX-License-Identifier: BSD-3-Clause
# How a guest is put together; sourced by run.sh, whose variables it uses.

# Busybox and one script: the kernel needs no more to reach the host's root.
make_initrd() {
	local root=$run_dir/root busybox
	busybox=$(command -v busybox) || die "busybox is not installed"
	mkdir -p "$root"/{bin,proc,sys,dev,new,hidden}
	cp "$busybox" "$root/bin/busybox"
	cp "$vm_dir/guest/init" "$root/init"
	chmod 755 "$root/init"
	# Not compressed: inflating takes the guest longer than the bytes take QEMU to hand over.
	(cd "$root" && find . | cpio --quiet -o -H newc) >"$1"
	rm -rf "$root"
}

# /dev/kvm may open and even start a guest that dies: only a boot to user space counts. The answer
# is kept until this machine boots again.
usable_accel() {
	local memo=$cache_root/kvm-works boot_id answer=tcg
	boot_id=$(cat /proc/sys/kernel/random/boot_id)
	if [ -s "$memo" ] && [ "$(cut -d' ' -f1 "$memo")" = "$boot_id-$(id -u)" ]; then
		cut -d' ' -f2 "$memo"
		return
	fi
	if [ -r /dev/kvm ] && [ -w /dev/kvm ] &&
		timeout -k 1 20 qemu-system-x86_64 -accel kvm -cpu max -M q35,kernel-irqchip=split \
			-m 512M -smp 2 -nodefaults -nographic -no-reboot -serial stdio -monitor none \
			-kernel "$kernel_dir/bzImage" -initrd "$run_dir/initrd" \
			-append 'console=ttyS0 panic=-1 quiet peerlane.probe' </dev/null 2>&1 |
		grep 'user space reached' >/dev/null; then
		answer=kvm
	fi
	echo "$boot_id-$(id -u) $answer" >"$memo.$$"
	mv "$memo.$$" "$memo"
	echo "$answer"
}

# A guest that measures its TSC while other processes hold the machine's processors may be wrong by
# a factor, and its clock with it. Emulated, it is this machine's own TSC: the first guest whose two
# measurements agreed tells the others.
tsc_option() {
	local boot_id khz
	{ read -r boot_id khz <"$cache_root/tsc-khz"; } 2>/dev/null || return 0
	[ "$boot_id" != "$(cat /proc/sys/kernel/random/boot_id)" ] || echo " tsc_early_khz=$khz"
}

remember_tsc() {
	local khz
	[ "$accel" = tcg ] && [ -z "$(tsc_option)" ] || return 0
	khz=$(sed -n 's/.*Refined TSC clocksource calibration: \([0-9]*\)\.\([0-9]*\) MHz.*/\1\2/p' \
		"$results/dmesg" 2>/dev/null)
	[ -n "$khz" ] || return 0
	echo "$(cat /proc/sys/kernel/random/boot_id) $khz" >"$cache_root/tsc-khz.$$"
	mv "$cache_root/tsc-khz.$$" "$cache_root/tsc-khz"
}

# Machine, processors, memory and IOMMU; the IOMMU comes before the devices it translates for.
qemu_machine() {
	local irqchip=''
	# 60 s: another process may hold the processors of the machine for longer than 20.
	cmdline="console=ttyS0 quiet panic=-1 tsc=reliable log_buf_len=4M hugepages=256"
	cmdline+=" rcupdate.rcu_cpu_stall_timeout=60 no_timer_check"
	qemu=(qemu-system-x86_64)
	[ "$iommu" != intel ] || irqchip=,kernel-irqchip=split
	case $accel in
	kvm) qemu+=(-accel kvm) ;;
	icount) qemu+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off") ;;
	tcg)
		qemu+=(-accel "tcg,thread=multi")
		cmdline+=$(tsc_option)
		;;
	esac
	qemu+=(-M "q35$irqchip" -cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -no-user-config
		-display none -no-reboot)
	case $iommu in
	intel)
		qemu+=(-device "intel-iommu,intremap=on,device-iotlb=on,aw-bits=$aw_bits")
		cmdline+=" intel_iommu=on"
		;;
	virtio)
		# It remaps no interrupts: without isolated MSI vfio asks for these two.
		qemu+=(-device virtio-iommu-pci)
		cmdline+=" iommufd.allow_unsafe_interrupts=1"
		cmdline+=" vfio_iommu_type1.allow_unsafe_interrupts=1"
		;;
	esac
	cmdline+=" $append"
}

# image NAME SIZE, qemu ARGS..., append TEXT, expect BDF KEY=VALUE... (read by scenarios/boot.sh).
read_topology() {
	local word rest line=0
	while read -r word rest; do
		line=$((line + 1))
		rest=${rest//@IMAGES@/$run_dir/images}
		case $word in
		'' | '#'* | expect) ;;
		image) truncate -s "${rest#* }" "$run_dir/images/${rest%% *}" ;;
		append) cmdline+=" $rest" ;;
		qemu)
			local -a args
			read -ra args <<<"$rest"
			qemu+=("${args[@]}")
			;;
		*) die "$topology:$line: '$word' is not image, qemu, append or expect" ;;
		esac
	done <"$topology"
}

# What the guest must know, and the directories it must see although a tmpfs hides their place.
share_with_guest() {
	cp "$vm_dir/guest/main.sh" "$topology" "$results/"
	printf '%s\n' "$repo_dir" "$cache_root" "$build" "$PWD" "$(dirname "$(realpath "$topology")")" \
		"$run_dir/images" "${binds[@]}" | sort -u >"$results/binds"
	{
		local pair rows='' columns=''
		[ -z "$shell" ] || read -r rows columns < <(stty size) || true
		for pair in PL_REPO="$repo_dir" PL_VM="$vm_dir" PL_BUILD="$build" PL_KERNEL="$kernel" \
			PL_KERNEL_DIR="$kernel_dir" PL_IOMMU="$iommu" PL_AW_BITS="$aw_bits" \
			PL_TOPOLOGY="/run/peerlane/$(basename "$topology")" PL_RESULTS=/run/peerlane \
			PL_HOST_RESULTS="$results" PL_IMAGES="$run_dir/images" \
			PL_ACCEL="$accel" PL_TIMEOUT="$timeout" PL_SHELL="$shell" PL_CWD="$PWD" \
			PL_ROWS="$rows" PL_COLUMNS="$columns" "${env_extra[@]}"; do
			printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"
		done
		printf 'PL_COMMAND=('
		[ ${#command[@]} -eq 0 ] || printf '%q ' "${command[@]}"
		printf ')\n'
	} >"$results/env"
	qemu+=(-virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
		-virtfs "local,path=$results,mount_tag=results,security_model=none"
		-device virtio-serial-pci
		-chardev "socket,id=qmp,path=$run_dir/qmp,server=on,wait=off" -mon chardev=qmp,mode=control
		-chardev "socket,id=monitor,path=$run_dir/qmp"
		-device virtserialport,chardev=monitor,name=monitor)
}

# Says how a guest ended that left no status.
explain_death() {
	local status=$1 what=125
	if [ -n "$hung" ]; then
		say "guest hung: no end within $((timeout + grace)) s; the end of its console:"
		what=124
	elif [ "$status" -ne 0 ]; then
		say "QEMU failed with status $status; the end of the guest's console:"
	elif grep -q 'Kernel panic' "$results/console" 2>/dev/null; then
		say "guest panicked:"
	else
		say "guest ended without a status; the end of its console:"
	fi
	if [ -e "$results/console" ] && dmesg_reports "$results/console"; then
		tail -n 30 "$results/console"
	fi
	exit $what
}

# ask_monitor COMMAND...: QEMU's answers, by two named pipes, without the echo of what was asked.
ask_monitor() {
	local line
	printf '%s\n' "$@" >&6
	# Nothing marks the end of the answers but silence.
	while IFS= read -r -t 2 line <&5; do
		case $line in '(qemu)'*) ;; *) printf '%s\n' "${line%$'\r'}" ;; esac
	done
}

# The kernel's symbol at or below an address of 16 hexadecimal digits; there is no KASLR.
symbol_at() {
	sort "$kernel_dir/System.map" | awk -v want="x$1" '
		"x" $1 > want { exit }
		$2 ~ /^[tTwW]$/ { name = $3 }
		END { print name == "" ? "no symbol" : name }'
}

# keep_evidence BOOT: what a guest is doing that does not go on.
keep_evidence() {
	local kept=$results/boot-$1 state
	if [ -z "$results_kept" ]; then
		mkdir -p "$cache_root/hangs"
		kept=$(mktemp -d "$cache_root/hangs/$kernel-XXXXXX")/boot-$1
	fi
	ask_monitor 'info registers -a' 'info lapic 0' 'info lapic 1' 'info pic' >"$kept.monitor"
	cp "$results/console" "$kept.console" 2>/dev/null || : >"$kept.console"
	say "QEMU used $(ps -o times= --ppid "$qemu_pid" | tr -d ' ') s of processor time;" \
		"its processors (all in $kept.monitor):"
	grep -oE '[RE]IP=.*' "$kept.monitor" | while read -r state; do
		echo "$state $(symbol_at "${state:4:16}")"
	done >&2
}

# wait_for SECONDS [FILE]: until FILE is there or QEMU has ended; 1 when neither happens in time.
#
# QEMU 7.2 was seen to sleep for minutes while timers of its guest were due, all processors halted,
# until something came by a monitor. So something comes, an empty line five times a second; but not
# where the instructions of a run are counted.
wait_for() {
	local start=$SECONDS _
	until [ -e "${2:-/nowhere}" ] || ! kill -0 "$qemu_pid" 2>/dev/null; do
		[ $((SECONDS - start)) -lt "$1" ] || return
		[ "$accel" = icount ] || echo >&6
		while IFS= read -r -t 0.2 _ <&5; do :; done
	done
}

# The word of guest/init; where there are more runnable threads than processors it is given as much
# longer.
wait_for_user_space() {
	local load
	wait_for "$boot_timeout" "$results/user-space" && return
	read -r load _ </proc/loadavg
	load=$(((${load%.*} + 1) / $(nproc)))
	[ "$load" -gt 1 ] && wait_for $((boot_timeout * (load - 1))) "$results/user-space"
}

# run_qemu BOOT: 0, with status and perhaps hung set, or 1: user space was not reached.
run_qemu() {
	local reader again=''
	rm -f "$results/user-space" "$results/console"
	cat "$run_dir/out" 5>&- 6>&- &
	reader=$!
	# The guest's own limit ends a scenario, wait_for below ends a guest that cannot, and timeout
	# a QEMU whose run.sh was killed.
	timeout -k 5 $((timeout + grace + 10 * boot_timeout)) "${qemu[@]}" </dev/null 5>&- 6>&- &
	qemu_pid=$!
	if ! wait_for_user_space; then
		say "boot $1 did not reach user space in time; the end of its console:"
		tail -n 10 "$results/console" >&2 || true
		again=1
	elif ! wait_for $((timeout + grace)); then
		hung=1
	fi
	if [ -n "$again$hung" ]; then
		keep_evidence "$1"
		kill "$qemu_pid" 2>/dev/null || true
	fi
	wait "$qemu_pid" || status=$?
	qemu_pid=''
	# A QEMU that never opened the pipe leaves its reader waiting for a writer: be one, shortly.
	: 1<>"$run_dir/out"
	wait $reader || true
	[ -z "$again" ]
}

start_guest() {
	local status=0 hung='' boot
	qemu+=(-kernel "$kernel_dir/bzImage" -initrd "$run_dir/initrd" -append "$cmdline")
	if [ -n "$shell" ]; then
		"${qemu[@]}" "${qemu_extra[@]}" -chardev stdio,id=console,mux=on,signal=off \
			-serial chardev:console -mon chardev=console,mode=readline || status=$?
	else
		mkfifo "$run_dir/out" "$run_dir/hmp.in" "$run_dir/hmp.out"
		exec 5<>"$run_dir/hmp.out" 6<>"$run_dir/hmp.in"
		qemu+=(-serial "file:$results/console" -chardev "file,id=out,path=$run_dir/out"
			-device "virtserialport,chardev=out,name=out"
			-chardev "pipe,id=hmp,path=$run_dir/hmp" -mon "chardev=hmp,mode=readline"
			"${qemu_extra[@]}")
		# Before user space nothing of ours runs that could hang: such a boot is tried again, twice.
		for boot in 1 2 3; do
			run_qemu $boot && break
			[ $boot -lt 3 ] || exit 124
			say "booting again"
			status=0
		done
	fi
	[ -s "$results/status" ] || explain_death "$status"
	remember_tsc
	exit "$(cat "$results/status")"
}
