#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Copies that must succeed: every way, LBA sizes, ranges. The images are compared from outside the
programs, and the bytes by memory must be exactly those that the way implies."""
import random

from harness import MIB, POISON, add_case, case, data_bytes, main

SIZE = 6 * MIB


def copied(t, eal, *args):
    """Runs nvme_copy with verification; returns the job of its report."""
    report, run = t.json("nvme_copy", eal, *args)
    job = report["jobs"][0]
    t.equal(job["error"], 0, "error")
    if "--no-verify" in args:
        t.equal((job["peerlane"]["verified"], job["peerlane"]["verified_bytes"]), (False, 0),
                "verified without verification")
        t.check(" not verified" in run.stdout, run)
    else:
        t.equal(job["peerlane"]["verified_bytes"], job["peerlane"]["bytes"], "verified bytes")
        t.check(job["peerlane"]["verified"] and ", verified; " in run.stdout, run)
    return job, run


# name, extra keys of the three devices, --via, provider, data by memory as (read, written) / SIZE
WAYS = [
    ("dst", "", "cmb=2M", "", "dst", "nvme_emu1", {"peer_cmb": (0, 1), "own_cmb": (1, 0)}),
    ("src", "cmb=2M", "", "", "src", "nvme_emu0", {"peer_cmb": (1, 0), "own_cmb": (0, 1)}),
    ("a third device", "", "", "cmb=2M", "nvme_emu2", "nvme_emu2", {"peer_cmb": (1, 1)}),
    ("host", "cmb=2M", "cmb=2M", "cmb=2M", "host", "host", {"host_dram": (1, 1)}),
    ("auto takes dst", "cmb=2M", "cmb=2M", "cmb=2M", "auto", "nvme_emu1",
     {"peer_cmb": (0, 1), "own_cmb": (1, 0)}),
    ("auto takes src", "cmb=2M", "", "cmb=2M", "auto", "nvme_emu0",
     {"peer_cmb": (1, 0), "own_cmb": (0, 1)}),
    ("auto takes a third", "", "", "cmb=2M", "auto", "nvme_emu2", {"peer_cmb": (1, 1)}),
    ("auto without any takes host", "", "", "", "auto", "host", {"host_dram": (1, 1)}),
    ("auto, dst may not write from its CMB", "cmb=2M", "cmb=2M,cmbflags=rds", "", "auto",
     "nvme_emu0", {"peer_cmb": (1, 0), "own_cmb": (0, 1)}),
    ("PMR of dst", "", "pmr=2M", "", "dst", "nvme_emu1", {"peer_pmr": (0, 1), "own_pmr": (1, 0)}),
    ("PMR of a third", "", "", "pmr=2M", "nvme_emu2", "nvme_emu2", {"peer_pmr": (1, 1)}),
]


def way(keys, via, provider, crossed):
    def run(t):
        t.random("src.img", SIZE)
        t.poisoned("dst.img", SIZE)
        devices = ["nvme_emu0,path=src.img", "nvme_emu1,path=dst.img", "nvme_emu2,size=1M"]
        eal = [",".join(filter(None, pair)) for pair in zip(devices, keys)]
        source = t.state()["src.img"]
        job, out = copied(t, eal, "nvme_emu0", "nvme_emu1", "--via", via)
        mine = job["peerlane"]
        t.same_data("src.img", "dst.img")
        t.equal(t.state()["src.img"], source, "the source")
        t.equal(mine["provider"], provider, "provider")
        t.equal(mine["p2p"], provider != "host", "p2p")
        t.equal(data_bytes(job), {m: (r * SIZE, w * SIZE) for m, (r, w) in crossed.items()},
                "data by memory")
        t.equal(data_bytes(job, "verify"), {"host_dram": (0, 2 * SIZE)}, "verification's data")
        t.equal(mine["host_dram_bytes"], 2 * SIZE if provider == "host" else 0, "host DRAM")
        t.equal(mine["host_dram_addressed_bytes"], mine["host_dram_bytes"], "addressed")
        t.check("host DRAM: " + ("12 MiB" if provider == "host" else "0 B") in out.stdout, out)
        # Each chunk is proven to have landed where another controller wrote it.
        posted = provider not in ("host", "nvme_emu0")
        t.equal(mine["landing_checks"], SIZE // (128 << 10) if posted else 0, "landing checks")
        t.equal(mine["complete_ranges"], [{"slba": 0, "nlb": SIZE // 512}], "complete ranges")
    return run


for way_name, k0, k1, k2, way_via, way_provider, way_crossed in WAYS:
    add_case("way: " + way_name, way((k0, k1, k2), way_via, way_provider, way_crossed))


def lba_sizes(src, dst):
    def run(t):
        t.random("src.img", 4 * MIB)
        t.poisoned("dst.img", 4 * MIB)
        copied(t, ("nvme_emu0,path=src.img,bs=%d" % src,
                   "nvme_emu1,path=dst.img,cmb=2M,bs=%d" % dst), "nvme_emu0", "nvme_emu1")
        t.same_data("src.img", "dst.img")
    return run


for src_bs, dst_bs in ((512, 4096), (4096, 512), (4096, 4096), (1024, 65536), (65536, 2048)):
    add_case("LBA sizes %d and %d" % (src_bs, dst_bs), lba_sizes(src_bs, dst_bs))


@case
def random_ranges_touch_nothing_else(t):
    t.random("src.img", 2 * MIB)
    rng = random.Random(2)
    for _ in range(8):
        t.poisoned("dst.img", 2 * MIB)
        nlb = rng.randint(1, 1500)
        src, dst = rng.randint(0, 4096 - nlb), rng.randint(0, 4096 - nlb)
        args = ["nvme_emu0:1:%d+%d" % (src, nlb), "nvme_emu1:1:%d" % dst,
                "-q", str(rng.choice((1, 2, 3, 7))), "-o", str(512 * rng.choice((1, 3, 8, 33)))]
        if rng.random() < 0.5:  # the length may stand on either side
            args[:2] = ["nvme_emu0:1:%d" % src, "nvme_emu1:1:%d+%d" % (dst, nlb)]
        elif dst + nlb < 4096:
            args[1] += "+%d" % nlb
        copied(t, ("nvme_emu0,path=src.img,mdts=8K", "nvme_emu1,path=dst.img,cmb=1M"), *args)
        want = bytearray([POISON]) * (2 * MIB)
        want[dst * 512:(dst + nlb) * 512] = t.read("src.img", src * 512, nlb * 512)
        t.check(t.read("dst.img") == want, args)


@case
def within_one_namespace(t):
    t.random("one.img", 4 * MIB)
    first, rest = t.read("one.img", 0, 2 * MIB), t.read("one.img", 3 * MIB)
    copied(t, ("nvme_emu0,path=one.img,cmb=1M",), "nvme_emu0:1:0+2048", "nvme_emu0:1:4096")
    t.check(t.read("one.img") == first + first[:MIB] + rest, "the file after the copy")


@case
def what_one_process_wrote_the_next_reads(t):
    t.random("a.img", 3 * MIB)
    t.poisoned("b.img", 3 * MIB)
    t.poisoned("c.img", 3 * MIB)
    for src, dst in (("a", "b"), ("b", "c")):
        copied(t, ("nvme_emu0,path=%s.img" % src, "nvme_emu1,path=%s.img,cmb=1M" % dst),
               "nvme_emu0", "nvme_emu1")
    t.same_data("a.img", "c.img")


@case
def without_verification_says_so(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    copied(t, ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"), "nvme_emu0",
           "nvme_emu1", "--no-verify")
    t.same_data("src.img", "dst.img")


@case
def depth_that_just_fits_the_CMB(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    job, _ = copied(t, ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"), "nvme_emu0",
                    "nvme_emu1", "-q", "7")
    t.equal(job["peerlane"]["depth"], 7, "depth")
    job, run = copied(t, ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"), "nvme_emu0",
                      "nvme_emu1")
    t.equal(job["peerlane"]["depth"], 7, "depth when none was asked for")
    t.check("as many as the memory holds" in run.stdout, run)


@case
def CMB_elsewhere_in_its_BAR(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    job, _ = copied(t, ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M,cmboff=64K"),
                    "nvme_emu0", "nvme_emu1")
    t.equal(job["peerlane"]["host_dram_bytes"], 0, "host DRAM")
    t.same_data("src.img", "dst.img")


@case
def CMB_of_a_controller_without_CMBMSC(t):
    """CAP.CMBS is 0: its CMB has the address of its BAR, for it and for everybody."""
    eal = ("nvme_emu0,path=src.img,cmb=1M,cmbs=0,cmboff=64K", "nvme_emu1,path=dst.img,cmb=1M,cmbs=0")
    for via, memory in (("dst", "peer_cmb"), ("src", "own_cmb")):
        t.random("src.img", 2 * MIB)
        t.poisoned("dst.img", 2 * MIB)
        job, _ = copied(t, eal, "nvme_emu0", "nvme_emu1", "--via", via)
        t.equal(job["peerlane"]["host_dram_bytes"], 0, "host DRAM")
        t.equal(data_bytes(job)[memory], (0, 2 * MIB), "data written by memory")
        t.same_data("src.img", "dst.img")


@case
def one_namespace_of_two_controllers(t):
    """Ranges that do not overlap; and it is said that others may write there."""
    t.random("src.img", 2 * MIB)
    with open(t.path("src.img"), "r+b") as image:
        image.truncate(4 * MIB)
    job, run = copied(t, ("nvme_emu0,path=src.img,subsys=s",
                          "nvme_emu1,path=src.img,cmb=1M,subsys=s"),
                      "nvme_emu0:1:0+4096", "nvme_emu1:1:4096", "--via", "dst")
    warning = "namespace 1 of nvme_emu1 is shared (NMIC): other controllers may write it"
    t.check("warning: " + warning in run.stdout, run)
    t.check(job["peerlane"]["warning"].startswith(warning), run)
    with open(t.path("src.img"), "rb") as image:
        data = image.read()
    t.check(data[:2 * MIB] == data[2 * MIB:], "the halves differ")


@case
def device_and_its_own_file(t):
    """Ranges that do not overlap."""
    t.random("src.img", 2 * MIB)
    with open(t.path("src.img"), "r+b") as image:
        image.truncate(4 * MIB)
    job, _ = copied(t, ("nvme_emu0,path=src.img",), "nvme_emu0:1:0+4096", "file:src.img:2M",
                    "--via", "host")
    t.equal(job["peerlane"]["warning"], "", "warning")
    with open(t.path("src.img"), "rb") as image:
        data = image.read()
    t.check(data[:2 * MIB] == data[2 * MIB:], "the halves differ")


@case
def testpmd_copies_too(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    report, _ = t.json("peerlane-testpmd", ("nvme_emu0,path=src.img",
                                            "nvme_emu1,path=dst.img,cmb=1M"),
                       "-w", "copy", "--count", "3", "--verify")
    t.same_data("src.img", "dst.img")
    job = report["jobs"][0]
    t.equal(job["peerlane"]["copies"], 3, "copies")
    t.equal(job["peerlane"]["host_dram_bytes"], 0, "host DRAM")
    t.equal(data_bytes(job), {"peer_cmb": (0, 6 * MIB), "own_cmb": (6 * MIB, 0)}, "data by memory")


if __name__ == "__main__":
    main()
