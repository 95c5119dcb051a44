#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests the command qubes-storage, as root, on XFS and Btrfs in loop devices.

usage: tests/cli/test_command.py BUILD_DIR [-t NAME]
NAME is a test as it is printed (xfs/start), or without the filesystem, or a pattern of either.
"""
import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

import harness
import cases_answers  # noqa: F401  pylint: disable=unused-import
import cases_budgets
import cases_copies  # noqa: F401  pylint: disable=unused-import
import cases_errors  # noqa: F401  pylint: disable=unused-import
import cases_lives  # noqa: F401  pylint: disable=unused-import
import cases_usage  # noqa: F401  pylint: disable=unused-import


def is_selected(name, pattern):
    short = name.split("/", 1)[1]
    return fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(short, pattern)


def run_one(function, program, mount):
    """None, or what went wrong."""
    place = None
    try:
        place = harness.Place(program, mount)
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


def run_all(tests, program, build):
    mounts, failed = {}, 0
    try:
        for name, kind, function in tests:
            if kind not in mounts:
                mounts[kind] = harness.Mount(kind)
            begun = time.monotonic()
            problem = run_one(function, program, mounts[kind])
            print(f"{'FAILED' if problem else 'ok    '} {name} ({time.monotonic() - begun:.1f} s)")
            if problem:
                failed += 1
                print(f"  {problem}\n  repeat: tests/cli/test_command.py {build} -t {name}")
            sys.stdout.flush()
    finally:
        for mount in mounts.values():
            mount.close()
    return failed


def parse_arguments():
    parser = argparse.ArgumentParser(description="Tests the command qubes-storage.")
    parser.add_argument("build", metavar="BUILD_DIR")
    parser.add_argument("-t", metavar="NAME", default="*", help="only these tests")
    parser.add_argument("-l", action="store_true", help="list the tests")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    tests = [test for test in harness.TESTS if is_selected(test[0], arguments.t)]
    if arguments.l or not tests:
        print("\n".join(name for name, _, _ in harness.TESTS))
        return 0 if arguments.l else 2
    program = os.path.abspath(os.path.join(arguments.build, "qubes-storage"))
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("these tests mount filesystems: run them as root")
        return 1
    if subprocess.run([program, "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        print(f"{program} does not run")
        return 1
    failed = run_all(tests, program, arguments.build)
    cases_budgets.print_table()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


def end(number, _frame):
    sys.exit(128 + number)  # through the finally clauses


if __name__ == "__main__":
    if "-l" not in sys.argv and os.geteuid() == 0:
        harness.enter_namespace()
    for signal_number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signal_number, end)
    sys.exit(main())
