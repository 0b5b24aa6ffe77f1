# SPDX-License-Identifier: BSD-3-Clause
"""What the command line tests share: running the programs, images, a list of cases, TAP.

    @case
    def what_is_expected(t):        # the name is the test's name
        run = t.nvme_copy(...)
        t.check(run.status == 0, run)

Usage of each test: test_NAME.py BUILD_DIR [words of case names...]
With PL_TEST_NO_HUGE set the programs use 4 KiB pages.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

MIB = 1 << 20
POISON = 0xAA
MEMORIES = ("host_dram", "own_cmb", "own_pmr", "peer_cmb", "peer_pmr", "peer_bar")
TIMEOUT = 300  # seconds for one run of a program, under a sanitizer on a loaded machine too

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_cases = []


class Failed(Exception):
    """A check did not hold."""


class Skipped(Exception):
    """This cannot be tested here; the text says why."""


class Run:
    """A finished program."""

    def __init__(self, argv, status, stdout, stderr):
        self.argv, self.status, self.stdout, self.stderr = argv, status, stdout, stderr

    def __str__(self):
        return "$ %s\nexit status %s\nstdout: %s\nstderr: %s" % (
            " ".join(self.argv), self.status, self.stdout, self.stderr)


def case(function):
    """Marks a test; @case functions run in the order they are written."""
    _cases.append((function.__name__.replace("_", " "), function))
    return function


def add_case(name, function):
    """The same for a row of a table."""
    _cases.append((name, function))


def first_cpu():
    return str(min(os.sched_getaffinity(0)))


class Test:
    """One case: a directory of its own, the programs, and checks."""

    def __init__(self, build, directory):
        self.dir = directory
        self.programs = {
            "nvme_copy": os.path.join(build, "examples/nvme_copy/nvme_copy"),
            "peerlane-testpmd": os.path.join(build, "app/testpmd/peerlane-testpmd"),
            "peerlane-topo": os.path.join(build, "app/topo/peerlane-topo"),
        }

    # -- files --

    def path(self, name):
        return os.path.join(self.dir, name)

    def poisoned(self, name, size):
        """A file in which no byte is zero, as a fresh one's would be."""
        with open(self.path(name), "wb") as f:
            f.write(bytes([POISON]) * size)
        return self.path(name)

    def random(self, name, size):
        with open(self.path(name), "wb") as f:
            f.write(os.urandom(size))
        return self.path(name)

    def read(self, name, offset=0, size=-1):
        with open(self.path(name), "rb") as f:
            f.seek(offset)
            return f.read(size)

    def state(self):
        """Every file of the directory: its digest and when it was last written."""
        return {name: (hashlib.sha256(self.read(name)).hexdigest(),
                       os.stat(self.path(name)).st_mtime_ns)
                for name in sorted(os.listdir(self.dir))}

    # -- programs --

    def argv(self, program, eal, args, huge=True):
        """@eal may be shortened: strings that begin with nvme_emu are --vdev values."""
        line = [self.programs[program]]
        if "-l" not in eal:
            line += ["-l", first_cpu()]
        if (not huge or os.environ.get("PL_TEST_NO_HUGE")) and "--no-huge" not in eal:
            line.append("--no-huge")
        for word in eal:
            line += ["--vdev", word] if word.startswith("nvme_emu") else [word]
        return line + ["--"] + list(args)

    def run(self, argv):
        done = subprocess.run(argv, cwd=self.dir, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return Run(argv, done.returncode, done.stdout.decode(errors="backslashreplace"),
                   done.stderr.decode(errors="backslashreplace"))

    def nvme_copy(self, eal, *args):
        return self.run(self.argv("nvme_copy", eal, args))

    def testpmd(self, eal, *args):
        return self.run(self.argv("peerlane-testpmd", eal, args))

    def json(self, program, eal, *args, status=0):
        """Runs a program that must exit with @status and returns its report and the run."""
        run = self.run(self.argv(program, eal, [*args, "--json", "report.json"]))
        self.check(run.status == status, run)
        self.validate(program, self.path("report.json"))
        with open(self.path("report.json"), encoding="utf-8") as f:
            report = json.load(f)
        os.unlink(self.path("report.json"))
        return report, run

    # -- checks --

    def check(self, condition, context=""):
        if not condition:
            raise Failed(str(context))

    def equal(self, got, wanted, what):
        if got != wanted:
            raise Failed("%s: %r instead of %r" % (what, got, wanted))

    def same_data(self, a, b):
        """Two files, by digest."""
        digests = [hashlib.sha256(self.read(name)).hexdigest() for name in (a, b)]
        self.check(digests[0] == digests[1], "sha256 of %s and %s differ: %s" % (a, b, digests))

    def validate(self, program, path):
        """A report against the schema in doc/schema."""
        import jsonschema  # pylint: disable=import-outside-toplevel

        name = program.replace("peerlane-", "") + ".schema.json"
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
        with open(os.path.join(ROOT, "doc/schema", name), encoding="utf-8") as f:
            schema = json.load(f)
        cls = jsonschema.validators.validator_for(schema)
        cls.check_schema(schema)
        for error in cls(schema).iter_errors(report):
            raise Failed("%s: %s at %s" % (path, error.message, list(error.absolute_path)))


def data_bytes(job, phase="copy"):
    """{memory: (read, written)} for memories that data crossed."""
    data = job["peerlane"]["traffic"][phase]["data"]
    return {m: (data[m]["read"], data[m]["write"]) for m in MEMORIES
            if data[m]["read"] or data[m]["write"]}


def _run_case(build, name, function):
    directory = tempfile.mkdtemp(prefix="peerlane-cli.")
    begin = time.monotonic()
    try:
        function(Test(build, directory))
    except Skipped as reason:
        print("ok - %s # SKIP %s" % (name, reason))
    except Exception as failure:  # pylint: disable=broad-except
        print("not ok - " + name)
        text = str(failure) if isinstance(failure, Failed) else traceback.format_exc()
        print("\n".join("# " + line for line in text.splitlines()))
        return False
    else:
        print("ok - %s (%.1f s)" % (name, time.monotonic() - begin))
    finally:
        shutil.rmtree(directory)
        sys.stdout.flush()
    return True


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: %s BUILD_DIR [words of case names...]" % sys.argv[0])
    build = os.path.abspath(sys.argv[1])
    good = [_run_case(build, name, function) for name, function in _cases
            if all(word in name for word in sys.argv[2:])]
    sys.exit(0 if all(good) else 1)
