# SPDX-License-Identifier: LGPL-2.1-or-later
"""Claims that are counted; the last line is `N passed, N failed`."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def claim(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}")
        return holds

    def equal(self, found, wanted, what):
        return self.claim(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}")

    def empty(self, found, what):
        """`found` has what must not be there."""
        return self.claim(not found, f"{what}: {found}")

    def end(self, repeat):
        if self.failed:
            print(f"repeat: {repeat}")
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def run(*command, **more):
    """(exit status, both outputs)"""
    environment = dict(os.environ, LC_ALL="C.UTF-8", **more.pop("env", {}))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment, cwd=more.pop("cwd", ROOT), check=False, **more)
    return done.returncode, done.stdout


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()
