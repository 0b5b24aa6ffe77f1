# SPDX-License-Identifier: BSD-3-Clause
# What scenarios/module-*.sh share; sourced after lib.sh and peerlane.sh.

programs=$PL_BUILD/test/vm/programs
module=peerlane_vfio_pci

# From the cache when kernel/build.sh ran on the host before, else built here, which takes longer.
load_module() {
	local ko
	[ ! -e /sys/module/$module ] || return 0
	ko=$("$PL_REPO/kernel/build.sh" "$PL_KERNEL_DIR/build") || fail "the module does not build"
	insmod "$ko" || fail "insmod $ko: $(dmesg | tail -n 3)"
}

to_module() { to_driver "$1" $module; }

# Whether the guest's host bridge (see module-clients) is one that the kernel's p2pdma lets through.
bridge_listed() { grep -q 'model name.*EPYC' /proc/cpuinfo; }

p2pmem() { cat "/sys/bus/pci/devices/$1/p2pmem/$2"; }

# Nobody has anything of it; what the dead had may still be on its way.
pool_whole() { [ "$(p2pmem "$1" available)" -eq "$(p2pmem "$1" size)" ]; }

unbind() {
	echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind" || fail "$1: cannot be unbound"
}

unload_module() {
	rmmod $module || fail "rmmod: $(lsmod)"
}

# On a debug kernel: what nobody points to any more. Scanned twice, because an object that is just
# changing hands is no leak.
check_leaks() {
	local leaks
	[ -e /sys/kernel/debug/kmemleak ] || return 0
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	leaks=$(cat /sys/kernel/debug/kmemleak)
	[ -z "$leaks" ] || fail "kmemleak: $leaks"
}
