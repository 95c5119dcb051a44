# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs tests of harness.TESTS, each in a place of its own; what each needs is mounted once."""
import argparse
import fnmatch
import os
import signal
import sys
import time
import traceback

import harness


def make_parser(what):
    """Of the arguments that choose tests."""
    parser = argparse.ArgumentParser(description=f"Tests {what}.")
    parser.add_argument("build", metavar="BUILD_DIR")
    parser.add_argument("-t", metavar="NAME", default="*", help="only these tests")
    parser.add_argument("-l", action="store_true", help="list the tests")
    return parser


def is_selected(name, pattern):
    short = name.split("/", 1)[1]
    return fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(short, pattern)


def run_one(function, make_place, mount):
    """None, or what went wrong."""
    place = None
    try:
        place = make_place(mount)
        function(place)
        return None
    except harness.Failure as failure:
        line = traceback.extract_tb(failure.__traceback__)
        where = next((f for f in reversed(line) if not f.filename.endswith("harness.py")), line[-1])
        return f"{os.path.basename(where.filename)}:{where.lineno}: {failure}"
    except Exception:  # pylint: disable=broad-except
        return traceback.format_exc()
    finally:
        if place:
            place.close()


def run_all(tests, make_place, program):
    """How many failed. `program` is what repeats one, with -t NAME."""
    mounts, failed = {}, 0
    try:
        for name, kind, function in tests:
            if kind not in mounts:
                mounts[kind] = harness.Mount(kind)
            begun = time.monotonic()
            problem = run_one(function, make_place, mounts[kind])
            print(f"{'FAILED' if problem else 'ok    '} {name} ({time.monotonic() - begun:.1f} s)")
            if problem:
                failed += 1
                print(f"  {problem}\n  repeat: {program} -t {name}")
            sys.stdout.flush()
    finally:
        for mount in mounts.values():
            mount.close()
    return failed


def end(number, _frame):
    sys.exit(128 + number)  # through the finally clauses


def end_on_signals():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
