# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `scale`: one operation on one volume in a pool with 10,000 others, and the list.

Each of the others has a committed state and 10 revisions, two volumes to a VM. An operation must
cost what it costs in a pool without others, and the list must grow as the number of volumes.
"""
import os

from contest import Contestant, least
from report import milliseconds, print_table

VOLUMES = {"none": 0, "1000": 1000, "10000": 10_000}
REVISIONS = 10
OPERATIONS = ("start", "stop")
LIMIT = 1.5
ROUNDS = 5


def add_volumes(pool, count):
    """Empty sparse files. What is a revision of one is one of all: links cost less than files."""
    revisions = []
    for number in range(1, REVISIONS + 1):
        revisions.append(os.path.join(pool, f"revision-{number}"))
        with open(revisions[-1], "xb") as file:
            file.truncate(1 << 30)
    for vm in range(count // 2):
        directory = os.path.join(pool, f"appvms/other{vm}")
        os.mkdir(directory)
        for name in ("private", "root"):
            with open(f"{directory}/{name}.img", "xb") as file:
                file.truncate(1 << 30)
            for number, revision in enumerate(revisions, 1):
                os.link(revision, f"{directory}/{name}.img.{number}@2026-01-01T00:00:00Z")


def run(disks, options, say):
    ours = Contestant("ours", os.path.join(options.build, "tests/bench/ours"))
    result = {}
    for disk in disks:
        pools = {}
        for name, count in VOLUMES.items():
            say(f"{disk.kind}: a pool with {count} more volumes")
            pools[name] = disk.make_pool(f"scale-{name}", 1)
            add_volumes(pools[name], count)
            ours.run(disk, pools[name], "start")
            ours.run(disk, pools[name], "stop")  # from here on there is a precache
        samples = {}
        for _ in range(max(ROUNDS, options.rounds)):
            for operation in (*OPERATIONS, "list"):
                for name, pool in pools.items():
                    samples.setdefault(operation, {}).setdefault(name, []).append(
                        ours.run(disk, pool, operation))
        result[disk.kind] = {operation: {name: least(found, "foreground")
                                         for name, found in cells.items()}
                             for operation, cells in samples.items()}
        for pool in pools.values():
            disk.remove_pool(pool)
    return result


def show(result):
    rows = [[kind, operation, *(milliseconds(cells[name]) for name in VOLUMES)]
            for kind, operations in result.items() for operation, cells in operations.items()]
    print_table(f"one operation beside other volumes of {REVISIONS} revisions, foreground ms",
                ["filesystem", "operation", *(f"{name} others" for name in VOLUMES)], rows)


def judge(result, verdicts):
    for kind, operations in result.items():
        for operation in OPERATIONS:
            verdicts.at_most(f"{kind}: {operation} beside 10000 volumes / beside none",
                             operations[operation]["10000"] / operations[operation]["none"], LIMIT)
        verdicts.at_most(f"{kind}: list, time per volume of 10000 / of 1000",
                         operations["list"]["10000"] / operations["list"]["1000"] / 10, LIMIT)
