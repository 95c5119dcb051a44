#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests the command qubes-storage, as root, on XFS and Btrfs in loop devices.

usage: tests/cli/test_command.py BUILD_DIR [-t NAME]
NAME is a test as it is printed (xfs/start), or without the filesystem, or a pattern of either.
"""
import os
import shutil
import subprocess
import sys

import harness
import runner
import cases_answers  # noqa: F401  pylint: disable=unused-import
import cases_budgets
import cases_copies  # noqa: F401  pylint: disable=unused-import
import cases_errors  # noqa: F401  pylint: disable=unused-import
import cases_lives  # noqa: F401  pylint: disable=unused-import
import cases_usage  # noqa: F401  pylint: disable=unused-import


def main():
    arguments = runner.make_parser("the command qubes-storage").parse_args()
    tests = [test for test in harness.TESTS if runner.is_selected(test[0], arguments.t)]
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
    failed = runner.run_all(tests, lambda mount: harness.Place(program, mount),
                            f"tests/cli/test_command.py {arguments.build}")
    cases_budgets.print_table()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if "-l" not in sys.argv and os.geteuid() == 0:
        harness.enter_namespace()
    runner.end_on_signals()
    sys.exit(main())
