#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""peerlane-topo's reports, of this machine and of one made of files."""
import json
import os

from harness import case, main

RESOURCE = ("0x00000000fe800000 0x00000000fe803fff 0x0000000000140204",
            "0x0000000000000000 0x0000000000000000 0x0000000000000000",
            "0x0000000800000000 0x0000000803ffffff 0x000000000014220c")


def write(t, name, text=""):
    os.makedirs(os.path.dirname(t.path(name)), exist_ok=True)
    with open(t.path(name), "w", encoding="ascii") as f:
        f.write(text)


def controller(t, bdf, driver=None, group=None):
    """An NVMe controller with a BAR 2 of 64 MiB in the tree of files."""
    device = "root/sys/bus/pci/devices/%s/" % bdf
    for name, text in (("vendor", "0x1b36"), ("device", "0x0010"), ("class", "0x010802"),
                       ("numa_node", "-1"), ("resource", "\n".join(RESOURCE))):
        write(t, device + name, text + "\n")
    if driver:
        os.symlink("../../../bus/pci/drivers/" + driver, t.path(device + "driver"))
    if group:
        os.symlink("../../../kernel/iommu_groups/" + group, t.path(device + "iommu_group"))
        write(t, "root/sys/kernel/iommu_groups/%s/devices/%s" % (group, bdf))


def machine(t):
    """A controller under each kind of driver."""
    controller(t, "0000:01:00.0", "vfio-pci", "11")
    write(t, "root/sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio5/dev", "511:0\n")
    controller(t, "0000:02:00.0", "nvme", "12")
    write(t, "root/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/cmb",
          "cmbloc : 0x00000002\ncmbsz  : 0x0400001d\n")
    controller(t, "0000:03:00.0")


def report(t, *args, status=0):
    """What --json writes, against its schema; the text for people is on standard error then."""
    run = t.run([t.programs["peerlane-topo"], *args, "--json", "-"])
    t.check(run.status in (status if isinstance(status, tuple) else (status,)), run)
    write(t, "report.json", run.stdout)
    t.validate("peerlane-topo", t.path("report.json"))
    t.check(run.stderr, run)
    return json.loads(run.stdout), run


@case
def list_of_this_machine(t):
    found, _ = report(t)
    t.check("checks" not in found and "ready" not in found, found)


@case
def list_of_every_kind_of_binding(t):
    machine(t)
    found, run = report(t, "--root", t.path("root"))
    t.equal([c["bound"] for c in found["controllers"]], ["vfio", "kernel", "none"], "bound")
    vfio, kernel, none = found["controllers"]
    t.equal((vfio["cdev"], vfio["iommu_group"], vfio["cmb"]), ("vfio5", "11", None), "of vfio's")
    t.equal((kernel["driver"], kernel["cmb"]["bytes"], kernel["cmb"]["bar"]),
            ("nvme", 64 << 20, 2), "of the kernel's")
    t.equal((kernel["cmb"]["lists"], kernel["cmb"]["cqs"]), (True, False), "what the CMB holds")
    for key in ("driver", "iommu_group", "numa_node", "cdev", "cmb", "in_use"):
        t.equal(none[key], None, key + " of none's")
    t.equal(none["bars"], [{"bar": 0, "bytes": 16384}, {"bar": 2, "bytes": 64 << 20}], "BARs")
    t.check("0000:02:00.0" in run.stderr, run)


@case
def checks_of_this_machine(t):
    found, run = report(t, "--check", status=(0, 1))
    t.equal(found["ready"], run.status == 0, "ready")
    t.equal(found["ready"], all(c["status"] != "fail" for c in found["checks"]), "ready")


@case
def checks_of_controllers(t):
    """No IOMMU's node is in the tree: what fails has its mend, what is fine has none."""
    machine(t)
    found, _ = report(t, "--check", "--root", t.path("root"), "0000:01:00.0", "0000:02:00.0",
                      status=1)
    t.check(not found["ready"], found)
    t.equal({c["bdf"] for c in found["checks"]}, {None, "0000:01:00.0", "0000:02:00.0"}, "devices")
    drivers = {c["bdf"]: c for c in found["checks"] if c["name"] == "driver"}
    t.equal((drivers["0000:01:00.0"]["status"], drivers["0000:01:00.0"]["mend"]), ("ok", None),
            "under vfio-pci")
    t.equal(drivers["0000:02:00.0"]["status"], "fail", "under nvme")
    t.check("driverctl set-override 0000:02:00.0 vfio-pci" in drivers["0000:02:00.0"]["mend"],
            drivers)


def check_of(found, name):
    return next((c for c in found["checks"] if c["name"] == name), None)


@case
def in_use_by_another_process(t):
    """Whose open files /proc shows: it is named, and nothing is "Ready."."""
    machine(t)
    write(t, "root/proc/4242/comm", "spdk_tgt\n")
    os.makedirs(t.path("root/proc/4242/fd"))
    os.symlink("/dev/vfio/devices/vfio5", t.path("root/proc/4242/fd/9"))
    found, run = report(t, "--check", "--root", t.path("root"), status=1)
    in_use = check_of(found, "in use")
    t.check(in_use and in_use["status"] == "fail", found)
    t.check("process 4242 (spdk_tgt)" in in_use["text"] and "kill 4242" in in_use["mend"], in_use)
    t.check("Ready" not in run.stderr, run)


@case
def no_iommu_mode(t):
    """The reason, and no advice on drivers, nodes or kernels, which cannot work."""
    controller(t, "0000:01:00.0", "vfio-pci", "0")
    write(t, "root/sys/kernel/iommu_groups/0/name", "vfio-noiommu\n")
    found, _ = report(t, "--check", "--root", t.path("root"), "0000:01:00.0", status=1)
    group = check_of(found, "iommu group")
    t.check("no-IOMMU mode" in group["text"] and "firmware" in group["mend"], group)
    for name in ("cdev node", "group node", "dma-buf"):
        t.equal(check_of(found, name), None, name)


if __name__ == "__main__":
    main()
