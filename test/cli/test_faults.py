#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Devices that fail, and interruption: never exit status 0, and what is reported as complete is."""
import json
import mmap
import os
import signal
import subprocess
import time

from harness import MIB, POISON, TIMEOUT, Skipped, case, main

SIZE = 4 * MIB


def images(t, size=SIZE):
    t.random("src.img", size)
    t.poisoned("dst.img", size)


def check_complete_ranges(t, ranges, size):
    """Inside them the target is the source; outside, nothing was written."""
    source, target = t.read("src.img"), t.read("dst.img")
    want = bytearray([POISON]) * size
    for r in ranges:
        span = slice(r["slba"] * 512, (r["slba"] + r["nlb"]) * 512)
        want[span] = source[span]
    t.check(target == want, "the target is not what complete_ranges says: %s" % ranges)


def failed(t, eal, *args):
    """A copy that must end with exit status 1; returns the job of its report and the run."""
    report, run = t.json("nvme_copy", eal, "nvme_emu0", "nvme_emu1", *args, status=1)
    job = report["jobs"][0]
    t.check(job["error"] != 0 and not job["peerlane"]["verified"], job)
    t.check(", verified" not in run.stdout and "FAILED" in run.stdout, run)
    check_complete_ranges(t, job["peerlane"]["complete_ranges"], SIZE)
    return job, run


@case
def dropped_posted_writes_fail_the_copy(t):
    images(t)
    job, run = failed(t, ("nvme_emu0,path=src.img,drop=1", "nvme_emu1,path=dst.img,cmb=1M"))
    t.check("did not land" in run.stderr and "nvme_emu1" in run.stderr, run)
    t.equal(job["peerlane"]["complete_ranges"], [], "complete ranges")
    t.equal(t.read("dst.img"), bytes([POISON]) * SIZE, "the target")


@case
def one_dropped_write_in_twenty_fails_the_copy(t):
    images(t)
    for way in ("dst", "nvme_emu2"):
        _, run = failed(t, ("nvme_emu0,path=src.img,drop=20", "nvme_emu1,path=dst.img,cmb=1M",
                            "nvme_emu2,size=1M,cmb=1M"), "--via", way, "--no-verify")
        t.check("did not land" in run.stderr, run)
        t.poisoned("dst.img", SIZE)


@case
def every_transfer_of_a_split_chunk_is_checked(t):
    """MDTS makes four transfers of a chunk; of each copy one is lost, another one each time."""
    for lost in (61, 62, 63, 64):
        images(t)
        _, run = failed(t, ("nvme_emu0,path=src.img,mdts=32K,drop=%d" % lost,
                            "nvme_emu1,path=dst.img,cmb=1M"), "--no-verify", "-q", "1")
        t.check("did not land" in run.stderr, run)


@case
def dropped_posted_writes_do_not_concern_host_memory(t):
    images(t)
    report, run = t.json("nvme_copy", ("nvme_emu0,path=src.img,drop=1",
                                       "nvme_emu1,path=dst.img,cmb=1M,drop=1"),
                         "nvme_emu0", "nvme_emu1", "--via", "host")
    t.check(report["jobs"][0]["peerlane"]["verified"], run)
    t.same_data("src.img", "dst.img")


@case
def read_errors_fail_the_copy_with_their_status(t):
    images(t)
    _, run = failed(t, ("nvme_emu0,path=src.img,err=5", "nvme_emu1,path=dst.img,cmb=1M"))
    t.check("read of " in run.stderr and "nvme_emu0" in run.stderr, run)
    t.check("Unrecovered Read Error" in run.stderr and "sct 2" in run.stderr, run)


@case
def write_errors_fail_the_copy_with_their_status(t):
    images(t)
    for way in ("dst", "host"):
        _, run = failed(t, ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M,err=5"),
                        "--via", way)
        t.check("write of " in run.stderr and "nvme_emu1" in run.stderr, run)
        t.check("Write Fault" in run.stderr and "sct 2" in run.stderr, run)
        t.poisoned("dst.img", SIZE)


@case
def a_rule_fails_the_read_that_it_names(t):
    images(t)
    rule = "fault=point:command/opcode:read/lba:4096-4099/action:status/arg:0x281"
    _, run = failed(t, ("nvme_emu0,path=src.img,%s" % rule, "nvme_emu1,path=dst.img,cmb=1M"))
    t.check("read of " in run.stderr and "at LBA 4096" in run.stderr, run)
    t.check("Unrecovered Read Error" in run.stderr and "sct 2" in run.stderr, run)


@case
def testpmd_reports_errors(t):
    images(t)
    report, run = t.json("peerlane-testpmd", ("nvme_emu0,path=src.img,err=7",), "-w", "randread",
                         "--count", "700", status=1)
    t.check("Unrecovered Read Error" in run.stderr, run)
    t.check(report["jobs"][0]["peerlane"]["errors"] > 0, report)


@case
def testpmd_copy_fails_on_dropped_writes(t):
    images(t)
    run = t.testpmd(("nvme_emu0,path=src.img,drop=1", "nvme_emu1,path=dst.img,cmb=1M"), "-w",
                    "copy", "--count", "1")
    t.check(run.status == 1 and "did not land" in run.stderr, run)


def interrupted(t, sig, *args):
    """Signals a copy when 128 KiB of its target were written; returns the complete ranges."""
    size = 64 * MIB
    images(t, size)
    argv = t.argv("nvme_copy", ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"),
                  ("nvme_emu0", "nvme_emu1", "-o", "512", "-q", "8", "--json", "report.json", *args))
    with open(t.path("dst.img"), "rb") as f, subprocess.Popen(
            argv, cwd=t.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as copy:
        target = mmap.mmap(f.fileno(), size, prot=mmap.PROT_READ)
        probe = slice(128 << 10, (128 << 10) + 512)
        deadline = time.monotonic() + TIMEOUT
        while target[probe] == bytes([POISON]) * 512 and copy.poll() is None:
            if time.monotonic() > deadline:
                copy.kill()
        copy.send_signal(sig)
        stdout, stderr = (text.decode() for text in copy.communicate(timeout=TIMEOUT))
        target.close()
    t.check(copy.returncode == 1, "exit status %s\n%s\n%s" % (copy.returncode, stdout, stderr))
    t.validate("nvme_copy", t.path("report.json"))
    with open(t.path("report.json"), encoding="utf-8") as f:
        job = json.load(f)["jobs"][0]
    ranges = job["peerlane"]["complete_ranges"]
    done = sum(r["nlb"] for r in ranges) * 512
    if done == size:
        raise Skipped("the copy was over before the signal arrived")
    t.check(done >= 128 << 10, "complete: %d bytes" % done)
    t.equal(job["peerlane"]["bytes"], done, "bytes copied")
    check_complete_ranges(t, ranges, size)
    t.check("complete in nvme_emu1: LBA 0+" in stdout and "interrupted" in stdout, stdout)
    t.check(", verified" not in stdout, stdout)
    t.check("\r" not in stdout + stderr, "progress on a pipe: %r" % (stdout + stderr))
    return ranges


@case
def SIGINT_tells_what_is_complete(t):
    interrupted(t, signal.SIGINT)


@case
def SIGTERM_too_and_the_rest_can_be_copied(t):
    ranges = interrupted(t, signal.SIGTERM)
    t.equal(len(ranges), 1, "ranges of a sequential copy")
    rest = ranges[0]["nlb"]
    run = t.nvme_copy(("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"),
                      "nvme_emu0:1:%d" % rest, "nvme_emu1:1:%d" % rest)
    t.check(run.status == 0, run)
    t.same_data("src.img", "dst.img")


def catches(pid, sig):
    """Whether the process has a handler of @sig."""
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        caught = next(line.split()[1] for line in f if line.startswith("SigCgt:"))
    return int(caught, 16) >> (sig - 1) & 1


def interrupted_start(t, program, args):
    """A device that answers no command within the hour: the program is still told to end, and does."""
    eal = ("nvme_emu0,size=1M,slow=3600000", "nvme_emu1,size=1M,cmb=64K")
    with subprocess.Popen(t.argv(program, eal, args), cwd=t.dir, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        while run.poll() is None and not catches(run.pid, signal.SIGINT):
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, stderr = (text.decode() for text in run.communicate(timeout=TIMEOUT))
    t.equal(run.returncode, 1, "exit status; stderr: %s" % stderr)
    t.check(": asked to stop while the controller was to " in stderr, stderr)


@case
def SIGINT_ends_a_slow_start_of_nvme_copy(t):
    interrupted_start(t, "nvme_copy", ("nvme_emu0", "nvme_emu1"))


@case
def SIGINT_ends_a_slow_start_of_testpmd(t):
    interrupted_start(t, "peerlane-testpmd", ("-w", "read"))


@case
def a_full_disk_under_the_report_fails(t):
    if not os.path.exists("/dev/full"):
        raise Skipped("there is no /dev/full")
    images(t)
    run = t.nvme_copy(("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M"), "nvme_emu0",
                      "nvme_emu1", "--json", "/dev/full")
    t.check(run.status == 1 and "/dev/full" in run.stderr, run)


if __name__ == "__main__":
    main()
