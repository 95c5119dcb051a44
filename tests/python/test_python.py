#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests an installed copy of the Python package, as root, on XFS and Btrfs in loop devices.

usage: tests/python/test_python.py BUILD_DIR [-t NAME] [-l] [--compile]
NAME is a test as it is printed (xfs/files_sync), or without the filesystem, or a pattern of either.
--compile only installs the copy, and needs no root. With QUBES_STORAGE_TEST_COMPILED=1, the copy of
before is tested. QUBES_STORAGE_TEST_SEED repeats killed_in_the_middle, as far as times repeat.
"""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, *(os.path.join(CHECKOUT, "tests", name) for name in ("cli", "bindings"))]
sys.dont_write_bytecode = True

import harness  # noqa: E402  pylint: disable=wrong-import-position
import programs  # noqa: E402  pylint: disable=wrong-import-position
import runner  # noqa: E402  pylint: disable=wrong-import-position


def parse_arguments():
    parser = runner.make_parser("the Python package")
    parser.add_argument("--compile", action="store_true", help="only install what is tested")
    return parser.parse_args()


def prepare(build):
    """Comes back in a namespace with the package and the library to be found."""
    if os.environ.get(harness.MARK):
        return
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("these tests mount filesystems: run them as root")
        sys.exit(1)
    if not os.environ.get(programs.COMPILED):
        programs.compile_python(build)
    os.environ.update(programs.Programs(build, "python").environment())
    harness.enter_namespace()


def main():
    arguments = parse_arguments()
    if arguments.compile:
        programs.compile_python(arguments.build)
        return 0
    prepare(arguments.build)
    runner.end_on_signals()
    import cases  # pylint: disable=import-outside-toplevel  # needs what prepare() has made
    tests = [test for test in harness.TESTS if runner.is_selected(test[0], arguments.t)]
    if arguments.l or not tests:
        print("\n".join(name for name, _, _ in harness.TESTS))
        return 0 if arguments.l else 2
    place = cases.installed_place(os.environ["PYTHONPATH"])
    failed = runner.run_all(tests, place, f"tests/python/test_python.py {arguments.build}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
