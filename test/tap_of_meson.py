#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints the results of a `meson test` run as TAP: tap_of_meson.py LOGFILE.json

A test that exits 77 was skipped; the last line it printed is the reason. What a failed test printed
is shown, the end of it if it is long.
"""
import json
import sys

SHOWN = 60  # lines


def output_of(test):
    return [line for key in ("stdout", "stderr") for line in test.get(key, "").splitlines()]


def last_line(test):
    lines = [line for line in output_of(test) if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


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
        elif test["result"] == "SKIP":
            print("ok - %s # SKIP %s" % (name, last_line(test)))
        else:
            print("not ok - %s: %s" % (name, test["result"]))
            for line in output_of(test)[-SHOWN:]:
                print("# " + line)


if __name__ == "__main__":
    main()
