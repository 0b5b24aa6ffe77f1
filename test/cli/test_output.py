#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Workloads, reports and what goes to which stream."""
import errno
import glob
import json
import os
import pty
import signal
import subprocess

from harness import MIB, TIMEOUT, add_case, case, main

PAIR = ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,cmb=1M")


def images(t, size=2 * MIB):
    t.random("src.img", size)
    t.poisoned("dst.img", size)


def workload(name, *args):
    """--verify compares every block read with what the device has, and reads back what was
    written; both are checked again from outside where that is possible."""
    def run(t):
        images(t)
        before = t.state()["src.img"]
        report, out = t.json("peerlane-testpmd", (PAIR[0], "nvme_emu1,size=2M,bs=4096"), "-w",
                             name, "--count", "1000", "--verify", *args)
        t.equal(len(report["jobs"]), 2, "jobs, one for each device")
        for job in report["jobs"]:
            mine = job["peerlane"]
            t.equal(job["read"]["total_ios"] + job["write"]["total_ios"], 1000, "I/Os")
            t.equal((mine["errors"], mine["verify"]["mismatches"], mine["verify"]["verified"]),
                    (0, 0, True), "verification of %s" % job["jobname"])
            t.equal(mine["verify"]["readback_blocks"], mine["verify"]["written_blocks"],
                    "blocks read back")
            if "write" in name:
                t.check(mine["verify"]["written_blocks"] > 0, mine)
            else:
                t.check(mine["verify"]["compares"] > 0, mine)
        t.equal(t.state()["src.img"] == before, name in ("read", "randread"), "file unchanged")
        for words in ("IOPS", "MiB/s", "p50", "p99.9", "Total", "host DRAM"):
            t.check(words in out.stdout, out)
    return run


for workload_name in ("read", "write", "randread", "randwrite"):
    add_case("testpmd: " + workload_name, workload(workload_name))
add_case("testpmd: randrw", workload("randrw", "-M", "70", "-q", "7", "-o", "16K"))
add_case("testpmd: rw", workload("rw", "-q", "1"))


@case
def testpmd_runs_for_the_time_asked(t):
    report, _ = t.json("peerlane-testpmd", ("nvme_emu0,size=4M",), "-w", "randread", "-t", "1")
    job = report["jobs"][0]
    t.check(950 <= job["read"]["runtime"] <= 1500, job["read"]["runtime"])
    t.check(job["read"]["total_ios"] > 100, job["read"])


@case
def testpmd_counts_host_bytes(t):
    report, _ = t.json("peerlane-testpmd", ("nvme_emu0,size=4M",), "-w", "read", "-o", "8K",
                       "--count", "500")
    ctrlr = report["peerlane"]["controllers"][0]
    t.equal(ctrlr["traffic"]["run"]["data"]["host_dram"], {"read": 0, "write": 500 * 8192},
            "data in host DRAM")


@case
def writes_of_another_run_are_other_data(t):
    """Else a run that wrote nothing would find what the one before it wrote."""
    images(t)
    digests = set()
    for _ in range(2):
        t.json("peerlane-testpmd", PAIR[:1], "-w", "write", "--count", "512", "--verify")
        digests.add(t.state()["src.img"][0])
    t.equal(len(digests), 2, "different images")


@case
def the_total_is_over_the_time_of_all(t):
    """One device is done long before the other; its rate does not go on."""
    report, run = t.json("peerlane-testpmd", ("nvme_emu0,size=2M", "nvme_emu1,size=2M"), "-w",
                         "read", "--count", "2000", "--devices", "nvme_emu0,nvme_emu1:1:0+8",
                         "-q", "1")
    ios = [job["read"]["total_ios"] for job in report["jobs"]]
    seconds = max(n / job["read"]["iops"] for n, job in zip(ios, report["jobs"]))
    total = [line for line in run.stdout.splitlines() if line.lstrip().startswith("Total")]
    shown = float(total[0].split(":")[1].split()[0])
    t.check(abs(shown - sum(ios) / seconds) <= 0.01 + shown * 1e-6, "%s\n%s" % (report, run))


@case
def an_interrupted_run_is_no_success(t):
    argv = t.argv("peerlane-testpmd", PAIR[:1], ("-w", "read", "--count", "1000000000", "--verify",
                                                 "--json", "report.json"))
    images(t)
    with subprocess.Popen(argv, cwd=t.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as program:
        for line in program.stdout:
            if line.startswith(b"on nvme_emu0"):
                program.send_signal(signal.SIGINT)
                break
        stdout, stderr = (text.decode() for text in program.communicate(timeout=TIMEOUT))
    t.equal(program.returncode, 1, "exit status")
    t.check("interrupted" in stdout and "interrupted before" in stderr, stdout + stderr)
    t.validate("peerlane-testpmd", t.path("report.json"))
    with open(t.path("report.json"), encoding="utf-8") as f:
        job = json.load(f)["jobs"][0]
    t.equal((job["error"], job["peerlane"]["verify"]["verified"]), (errno.ECANCELED, False),
            "error and verified")


@case
def warm_up_is_in_no_figure(t):
    """Of bytes there are the measured ones, and those of some I/Os at the border."""
    images(t)
    report, _ = t.json("peerlane-testpmd", PAIR[:1], "-w", "read", "-a", "2", "-t", "1")
    host = report["peerlane"]["controllers"][0]["host_dram_bytes"]
    measured = report["jobs"][0]["read"]["io_bytes"]
    t.check(0.5 * measured < host < 1.5 * measured, "%d of %d bytes" % (host, measured))


def on_stdout(program, *args):
    """--json -: standard output is the report and nothing else."""
    def run(t):
        images(t)
        out = t.run(t.argv(program, PAIR, (*args, "--json", "-")))
        t.check(out.status == 0, out)
        report = json.loads(out.stdout)
        with open(t.path("report.json"), "w", encoding="utf-8") as f:
            json.dump(report, f)
        t.validate(program, t.path("report.json"))
        t.check("host DRAM" in out.stderr, out)
    return run


add_case("nvme_copy --json -", on_stdout("nvme_copy", "nvme_emu0", "nvme_emu1"))
add_case("testpmd --json -", on_stdout("peerlane-testpmd", "-w", "randrw", "--count", "100"))
add_case("testpmd copy --json -", on_stdout("peerlane-testpmd", "-w", "copy", "--count", "2"))


@case
def an_old_report_is_replaced_whole(t):
    images(t)
    with open(t.path("report.json"), "w", encoding="utf-8") as f:
        f.write("x" * 100000)
    t.json("nvme_copy", PAIR, "nvme_emu0", "nvme_emu1")


@case
def no_progress_on_a_pipe(t):
    """A second is long enough for some updates; on a terminal there are five in it."""
    run = t.testpmd(("nvme_emu0,size=4M",), "-w", "read", "-t", "1")
    t.check(run.status == 0, run)
    for text in (run.stdout, run.stderr):
        t.check("\r" not in text and "\033" not in text, repr(text))


def on_a_terminal(t, argv, enough):
    """Interrupts a program on a terminal when it showed @enough; returns what it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, cwd=t.dir, stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.DEVNULL) as program:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
                if all(words in text for words in enough):
                    program.send_signal(signal.SIGINT)
                    enough = (b"only once",)
        except OSError:
            pass  # Linux says EIO when the last writer has gone
        program.wait(timeout=TIMEOUT)
    os.close(ours)
    return text


@case
def progress_on_a_terminal(t):
    images(t, 64 * MIB)
    for program, args, what in (
            ("nvme_copy", ("nvme_emu0", "nvme_emu1", "-o", "512", "-q", "1"), b"\rcopying: "),
            ("peerlane-testpmd", ("-w", "read", "-t", "60"), b"\rread: ")):
        text = on_a_terminal(t, t.argv(program, PAIR, args), (what, b" left"))
        t.check(what in text and b"%, " in text and b" left" in text, repr(text))
        t.check(b"interrupted" in text, repr(text))


def free_hugepage_mib():
    """As the EAL counts them: of every size, less what is promised to others."""
    total = 0
    for size in glob.glob("/sys/kernel/mm/hugepages/hugepages-*kB"):
        def read(name, size=size):
            with open(os.path.join(size, name), encoding="ascii") as f:
                return int(f.read())
        total += (read("free_hugepages") - read("resv_hugepages")) * int(size[:-2].split("-")[-1])
    return total // 1024


@case
def help_goes_to_stdout(t):
    for program in ("nvme_copy", "peerlane-testpmd"):
        for args in (["--help"], ["-h"], ["--", "--help"], ["--", "-h"]):
            run = t.run([t.programs[program], *args])
            t.check(run.status == 0 and run.stderr == "", run)
            for words in ("Usage: " + program, "EAL options", "--vdev", "--no-huge"):
                t.check(words in run.stdout, run)


@case
def too_few_hugepages_are_named_with_the_command(t):
    """More than are free: it falls back to 4 KiB pages and says what to do."""
    images(t)
    want = free_hugepage_mib() + 64
    argv = t.argv("nvme_copy", (*PAIR, "-m", str(want)), ("nvme_emu0", "nvme_emu1"))
    run = t.run([word for word in argv if word != "--no-huge"])
    t.check(run.status == 0, run)
    t.check("4 KiB pages" in run.stderr and "hugeadm --pool-pages-min" in run.stderr, run)
    t.same_data("src.img", "dst.img")


if __name__ == "__main__":
    main()
