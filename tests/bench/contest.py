# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is compared: each runs one operation as a program, on a pool of its own."""
import json
import os
import subprocess
import sys

from disks import BenchError

HERE = os.path.dirname(os.path.abspath(__file__))


class Contestant:
    """A program that runs `DEVICE POOL OPERATION [ARGUMENT]` and prints its measurement."""

    def __init__(self, name, *command):
        self.name, self.command = name, command

    def run(self, disk, pool, operation, argument=""):
        """{"foreground": ..., "total": ...}, or None where it has no such operation."""
        disk.settle()
        command = [*self.command, disk.device_name, pool, operation, argument]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)


def contestants(options):
    programs = os.path.join(options.build, "tests/bench")
    found = [Contestant("ours", os.path.join(programs, "ours")),
             Contestant("bare", os.path.join(programs, "bare"))]
    if options.peer:
        found.append(Contestant("peer", sys.executable, "-B", os.path.join(HERE, "peer.py"),
                                options.peer))
    return found


def least(samples, part, what="ns"):
    """Noise only adds."""
    return min(sample[part][what] for sample in samples)
