#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Files and block devices as ends of a copy: both directions, every way, ranges, names with colons,
files that are made, that grow, that shrink, that do not fit. Compared from outside the programs."""
import os
import resource
import signal
import stat
import subprocess

from harness import MIB, POISON, Failed, Skipped, add_case, case, data_bytes, main

SIZE = 6 * MIB
CHUNKS = SIZE // (128 << 10)


def needs_a_device(t):
    """O_DIRECT, and for peer to peer a device that does the DMA: not where the temporary directory is
    on tmpfs, or in a container on a file system that hides its own."""
    t.random("probe.img", 4096)
    run = t.nvme_copy(("nvme_emu0,size=1M,cmb=1M",), "file:probe.img", "nvme_emu0", "--via", "dst",
                      "-o", "4K")
    os.unlink(t.path("probe.img"))
    if run.status == 2 and ("no O_DIRECT" in run.stderr or "no block device" in run.stderr):
        raise Skipped(run.stderr.strip())


def copied(t, eal, *args):
    report, run = t.json("nvme_copy", eal, *args)
    job = report["jobs"][0]
    mine = job["peerlane"]
    t.equal(job["error"], 0, "error")
    t.check(mine["verified"] and mine["verified_bytes"] == mine["bytes"], mine)
    t.check(0 < mine["io_uring"]["enters"] <= mine["io_uring"]["ios"], mine["io_uring"])
    t.check("files: %d system calls for %d I/Os" % (mine["io_uring"]["enters"],
                                                   mine["io_uring"]["ios"]) in run.stdout, run)
    t.check("source file: io_uring" in run.stdout or "destination file: io_uring" in run.stdout, run)
    return job, run


# name, source is the file, keys of the device, of a second one, --via, provider, data by memory
WAYS = [
    ("file to its CMB", True, "cmb=2M", "", "dst", "nvme_emu0",
     {"peer_cmb": (0, 1), "own_cmb": (1, 0)}),
    ("file to its PMR", True, "pmr=2M", "", "dst", "nvme_emu0",
     {"peer_pmr": (0, 1), "own_pmr": (1, 0)}),
    ("file, auto", True, "cmb=2M", "", "auto", "nvme_emu0",
     {"peer_cmb": (0, 1), "own_cmb": (1, 0)}),
    ("file by another's CMB", True, "", "cmb=2M", "nvme_emu1", "nvme_emu1", {"peer_cmb": (1, 1)}),
    ("file by host", True, "cmb=2M", "", "host", "host", {"host_dram": (1, 1)}),
    ("file, nobody has memory", True, "", "", "auto", "host", {"host_dram": (1, 1)}),
    ("CMB to file", False, "cmb=2M", "", "src", "nvme_emu0",
     {"peer_cmb": (1, 0), "own_cmb": (0, 1)}),
    ("to file, auto", False, "cmb=2M", "", "auto", "nvme_emu0",
     {"peer_cmb": (1, 0), "own_cmb": (0, 1)}),
    ("to file by host", False, "cmb=2M", "", "host", "host", {"host_dram": (1, 1)}),
]


def way(from_file, keys, other, via, provider, crossed):
    def run(t):
        needs_a_device(t)
        t.random("src.img", SIZE)
        t.poisoned("dst.img", SIZE)
        image = "dst.img" if from_file else "src.img"
        eal = [",".join(filter(None, pair)) for pair in
               (("nvme_emu0,path=" + image, keys), ("nvme_emu1,size=1M", other))]
        ends = ["nvme_emu0", "nvme_emu0"]
        ends[0 if from_file else 1] = "file:" + ("src.img" if from_file else "dst.img")
        source = t.state()["src.img"]
        job, out = copied(t, eal, *ends, "--via", via)
        mine = job["peerlane"]
        t.same_data("src.img", "dst.img")
        t.equal(t.state()["src.img"], source, "the source")
        t.equal((mine["provider"], mine["p2p"]), (provider, provider != "host"), "provider")
        t.equal(data_bytes(job), {m: (r * SIZE, w * SIZE) for m, (r, w) in crossed.items()},
                "data by memory")
        t.equal(data_bytes(job, "verify"), {"host_dram": (0, 2 * SIZE)}, "verification's data")
        t.equal(mine["host_dram_bytes"], 2 * SIZE if provider == "host" else 0, "host DRAM")
        t.equal(mine["host_dram_addressed_bytes"], mine["host_dram_bytes"], "addressed")
        t.equal(mine["landing_checks"], CHUNKS if from_file and provider != "host" else 0,
                "landing checks")
        t.equal(mine["complete_ranges"], [{"slba": 0, "nlb": SIZE // 512}] if from_file else
                [{"offset": 0, "bytes": SIZE}], "complete ranges")
        # An emulated controller's memory is not what it is on hardware, and that is said.
        t.equal("is emulated" in out.stdout, provider != "host", "the reason")
    return run


for way_name, *way_rest in WAYS:
    add_case("way: " + way_name, way(*way_rest))


@case
def a_file_that_does_not_exist_is_made(t):
    t.random("src.img", SIZE)
    copied(t, ("nvme_emu0,path=src.img",), "nvme_emu0", "file:new.img", "--via", "host")
    t.same_data("src.img", "new.img")


@case
def a_name_that_is_no_UTF_8(t):
    """Latin-1, as an old disk may have it; JSON has to be UTF-8."""
    name = b"caf\xe9.img"
    t.random("src.img", SIZE)
    os.rename(t.path("src.img"), os.path.join(t.dir.encode(), name))
    for program, args in (("nvme_copy", ()), ("peerlane-testpmd", ("-w", "copy", "--count", "1"))):
        ends = ("file:" + os.fsdecode(name), "nvme_emu0")
        if args:
            ends = ("--src", ends[0], "--dst", ends[1])
        report, _ = t.json(program, ("nvme_emu0,size=6M",), *args, *ends, "--via",
                           "host")
        t.equal(report["jobs"][0]["peerlane"]["src"], "file:caf\\xe9.img", "the source")


@case
def a_longer_file_keeps_its_rest(t):
    t.random("src.img", MIB)
    t.poisoned("dst.img", 3 * MIB)
    copied(t, ("nvme_emu0,path=src.img",), "nvme_emu0", "file:dst.img:1M", "--via", "host")
    rest = bytes([POISON]) * MIB
    t.check(t.read("dst.img") == rest + t.read("src.img") + rest, "the file")


@case
def ranges_by_offset_and_bytes(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    eal = ("nvme_emu0,path=dst.img",)
    want = bytearray(t.read("dst.img"))
    for args, at, offset, size in (
            (("file:src.img:64K+128K", "nvme_emu0:1:8"), 4096, 64 << 10, 128 << 10),
            (("file:src.img:1M", "nvme_emu0:1:2000+16"), 2000 * 512, MIB, 8192),
            (("file:src.img:4096+4KiB", "nvme_emu0:1:3000+8"), 3000 * 512, 4096, 4096)):
        copied(t, eal, *args, "--via", "host", "-o", "4K")
        want[at:at + size] = t.read("src.img", offset, size)
        t.check(t.read("dst.img") == want, args)


@case
def paths_with_colons(t):
    eal = ("nvme_emu0,size=64K",)
    t.random("a:b.img", 65536)
    t.random("c:512", 65536)
    t.random("d:1+2", 65536)
    os.mkdir(t.path("e:5"))
    t.random("e:5/f", 65536)
    for name in ("a:b.img", "a:b.img:4K", "c:512:0", "d:1+2:0+64K", "e:5/f", "e:5/f:32K",
                 t.path("a:b.img")):
        copied(t, eal, "file:" + name, "nvme_emu0", "--via", "host", "-o", "4K")


@case
def file_to_file(t):
    t.random("src.img", 2 * MIB)
    job, _ = copied(t, (), "file:src.img", "file:dst.img")
    t.same_data("src.img", "dst.img")
    t.equal(data_bytes(job), {"host_dram": (2 * MIB, 2 * MIB)}, "data by memory")
    needs_a_device(t)
    os.unlink(t.path("dst.img"))
    job, _ = copied(t, ("nvme_emu0,size=1M,cmb=1M",), "file:src.img", "file:dst.img", "--via",
                    "nvme_emu0")
    t.same_data("src.img", "dst.img")
    t.equal(data_bytes(job), {"peer_cmb": (2 * MIB, 2 * MIB)}, "data by memory")


@case
def within_one_file(t):
    t.random("one.img", 2 * MIB)
    first = t.read("one.img", 0, MIB)
    copied(t, (), "file:one.img:0+1M", "file:one.img:1M")
    t.check(t.read("one.img") == first + first, "the file")


@case
def a_sparse_file(t):
    with open(t.path("src.img"), "wb") as f:
        f.truncate(2 * MIB)
        f.seek(MIB)
        f.write(b"in the middle")
    t.poisoned("dst.img", 2 * MIB)
    copied(t, ("nvme_emu0,path=dst.img,cmb=1M",), "file:src.img", "nvme_emu0")
    t.same_data("src.img", "dst.img")


@case
def testpmd_copies_files_too(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 2 * MIB)
    eal = ("nvme_emu0,path=dst.img,cmb=1M",)
    report, _ = t.json("peerlane-testpmd", eal, "-w", "copy", "--count", "3", "--verify", "--src",
                       "file:src.img", "--dst", "nvme_emu0")
    t.same_data("src.img", "dst.img")
    t.equal(report["jobs"][0]["peerlane"]["copies"], 3, "copies")
    t.equal(report["jobs"][0]["peerlane"]["io_uring"]["ios"], 3 * 16, "I/Os")
    t.json("peerlane-testpmd", eal, "-w", "copy", "--count", "2", "--verify", "--src", "nvme_emu0",
           "--dst", "file:new.img")
    t.same_data("src.img", "new.img")


@case
def a_file_that_shrinks_fails_the_copy(t):
    size = 64 * MIB
    t.random("src.img", size)
    t.poisoned("dst.img", size)
    argv = t.argv("nvme_copy", ("nvme_emu0,path=dst.img,cmb=1M",),
                  ("file:src.img", "nvme_emu0", "-o", "4K", "-q", "1", "--json", "report.json"))
    with subprocess.Popen(argv, cwd=t.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as copy:
        copy.stdout.read(1)  # the plan: it begins now
        os.truncate(t.path("src.img"), 1000)
        stdout, stderr = (text.decode() for text in copy.communicate())
    if copy.returncode == 0:
        raise Skipped("the copy was over before the file was cut")
    t.equal(copy.returncode, 1, stdout + stderr)
    t.check("has become shorter" in stderr and "FAILED (EIO)" in stdout, stdout + stderr)


@case
def no_room_is_told_before_anything_is_written(t):
    t.random("src.img", 2 * MIB)
    t.poisoned("dst.img", 4096)
    digests = {name: digest for name, (digest, _) in t.state().items()}
    limit = 1 << 30  # the programs have files of their own

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    for name in ("dst.img", "new.img"):
        done = subprocess.run(t.argv("nvme_copy", ("nvme_emu0,path=src.img",),
                                     ("nvme_emu0", "file:%s:1023M" % name, "--via", "host")),
                              cwd=t.dir, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, preexec_fn=limited)
        t.equal(done.returncode, 1, done.stderr)
        t.check("has no room for 2097152 bytes" in done.stderr, done.stderr)
        t.check("FAILED (ENOSPC)" in done.stdout and "complete in file:" in done.stdout, done.stdout)
        t.equal({name: digest for name, (digest, _) in t.state().items()}, digests, "files")


@case
def a_file_may_not_be_written(t):
    t.random("src.img", MIB)
    t.random("ro.img", MIB)
    os.chmod(t.path("ro.img"), stat.S_IRUSR)
    if os.access(t.path("ro.img"), os.W_OK):
        raise Skipped("nothing is forbidden to root")
    run = t.nvme_copy(("nvme_emu0,path=src.img",), "nvme_emu0", "file:ro.img")
    t.check(run.status == 2 and "ro.img" in run.stderr, run)


@case
def a_block_device_node(t):
    """A loop device, where there is one to be had."""
    t.random("src.img", 2 * MIB)
    t.poisoned("disk.img", 2 * MIB)
    loop = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", t.path("disk.img")],
                          capture_output=True, text=True, check=False)
    if loop.returncode:
        raise Skipped("no loop device: " + loop.stderr.strip())
    node = loop.stdout.strip()
    try:
        copied(t, ("nvme_emu0,path=src.img",), "nvme_emu0", "file:" + node, "--via", "host")
        t.same_data("src.img", "disk.img")
        with open(node, "rb") as f:
            t.check(f.read() == t.read("src.img"), "the node")
        run = t.nvme_copy(("nvme_emu0,path=src.img",), "nvme_emu0", "file:" + node + ":1536K+1M")
        t.check(run.status == 2 and "past the end" in run.stderr, run)
        # Somebody has it for himself.
        fd = os.open(node, os.O_RDWR | os.O_EXCL)
        try:
            run = t.nvme_copy(("nvme_emu0,path=src.img",), "nvme_emu0", "file:" + node)
            t.check(run.status == 2 and "in use" in run.stderr, run)
        finally:
            os.close(fd)
    finally:
        subprocess.run(["losetup", "--detach", node], check=False)


@case
def tmpfs_is_named(t):
    """Old ones have no O_DIRECT, new ones have, but no device behind it."""
    path = "/dev/shm/peerlane-cli.%d" % os.getpid()
    with open(path, "wb") as f:
        f.write(os.urandom(MIB))
    try:
        t.poisoned("dst.img", MIB)
        before = t.state()
        run = t.nvme_copy(("nvme_emu0,path=dst.img,cmb=1M",), "file:" + path, "nvme_emu0", "--via",
                          "dst")
        t.check(run.status == 2 and "tmpfs" in run.stderr, run)
        t.equal(t.state(), before, "files")
        if "no O_DIRECT" in run.stderr:
            return
        run = t.nvme_copy(("nvme_emu0,path=dst.img,cmb=1M",), "file:" + path, "nvme_emu0")
        t.check(run.status == 0 and "through host DRAM" in run.stdout, run)
        t.check("tmpfs" in run.stdout and "host DRAM: 2 MiB" in run.stdout, run)
        with open(path, "rb") as f:
            if f.read() != t.read("dst.img"):
                raise Failed("the data")
    finally:
        os.unlink(path)


if __name__ == "__main__":
    main()
