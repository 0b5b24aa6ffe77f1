#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints the results of a `meson test` run as TAP: tap_of_meson.py LOGFILE.json

A test that exits 77 was skipped; the last line it printed is the reason. So was what cmocka says was
skipped of a test that passed; what the test printed there is the reason. What a failed test printed is
shown, the end of it if it is long.
"""
import json
import sys

SHOWN = 60  # lines


def output_of(test):
    return [line for key in ("stdout", "stderr") for line in test.get(key, "").splitlines()]


def last_line(test):
    lines = [line for line in output_of(test) if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def skipped_in(test):
    """(name, reason) of cmocka's tests that skipped themselves."""
    reason = ""
    for line in output_of(test):
        if line.startswith("[ RUN "):
            reason = ""
        elif line.startswith("[  SKIPPED ] ") and "test(s)" not in line:
            yield line.split("] ")[1].strip(), reason or "it says not why"
        elif line.strip() and not line.startswith("["):
            reason = line.strip()


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            tests = [json.loads(line) for line in log]
    except FileNotFoundError:
        tests = []
    if not tests:
        print("not ok - no test was run")
    for test in tests:
        name = "%s (%.1f s)" % (test["name"], test["duration"])
        if test["result"] == "OK":
            print("ok - " + name)
            seen = set()
            for part, reason in skipped_in(test):
                if part not in seen:
                    print("ok - %s: %s # SKIP %s" % (test["name"], part, reason))
                seen.add(part)
        elif test["result"] == "SKIP":
            print("ok - %s # SKIP %s" % (name, last_line(test)))
        else:
            print("not ok - %s: %s" % (name, test["result"]))
            for line in output_of(test)[-SHOWN:]:
                print("# " + line)


if __name__ == "__main__":
    main()
