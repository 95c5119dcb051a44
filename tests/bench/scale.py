# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `scale`: one operation on one volume in a pool with 10,000 others, and the list.

Each of the others has a committed state and 10 revisions, two volumes to a VM. An operation must
cost what it costs in a pool without others, and the list must grow as the number of volumes.
"""
import os

from contest import contestants, least
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


def make_pools(disk, name, ours, say):
    pools = {}
    for others, count in VOLUMES.items():
        say(f"{disk.kind}: a pool for {name} with {count} more volumes")
        pools[others] = disk.make_pool(f"scale-{name}-{others}", 1)
        add_volumes(pools[others], count)
        ours.run(disk, pools[others], "start")
        ours.run(disk, pools[others], "stop")  # from here on there is a precache
    return pools


def measure(disk, taking_part, pools, rounds):
    """{operation: {contestant: {others: least ns}}}"""
    samples = {}
    for _ in range(rounds):
        for operation in (*OPERATIONS, "list"):
            for one in taking_part if operation != "list" else taking_part[:1]:
                for others, pool in pools[one.name].items():
                    cells = samples.setdefault(operation, {}).setdefault(one.name, {})
                    cells.setdefault(others, []).append(one.run(disk, pool, operation))
    return {operation: {name: {others: least(found, "foreground")
                               for others, found in cells.items()}
                        for name, cells in by_name.items()}
            for operation, by_name in samples.items()}


def run(disks, options, say):
    taking_part = [one for one in contestants(options) if one.name != "peer"]
    ours = taking_part[0]
    result = {}
    for disk in disks:
        pools = {one.name: make_pools(disk, one.name, ours, say) for one in taking_part}
        result[disk.kind] = measure(disk, taking_part, pools, max(ROUNDS, options.rounds))
        for by_others in pools.values():
            for pool in by_others.values():
                disk.remove_pool(pool)
    return result


def show(result):
    rows = [[kind, operation, name, *(milliseconds(cells[others]) for others in VOLUMES)]
            for kind, operations in result.items() for operation, by_name in operations.items()
            for name, cells in by_name.items()]
    print_table(f"one operation beside other volumes of {REVISIONS} revisions, foreground ms",
                ["filesystem", "operation", "by", *(f"{name} others" for name in VOLUMES)], rows)


def judge(result, verdicts):
    for kind, operations in result.items():
        for operation in OPERATIONS:
            cells = operations[operation]["ours"]
            verdicts.at_most(f"{kind}: {operation} beside 10000 volumes / beside none",
                             cells["10000"] / cells["none"], LIMIT)
        cells = operations["list"]["ours"]
        verdicts.at_most(f"{kind}: list, time per volume of 10000 / of 1000",
                         cells["10000"] / cells["1000"] / 10, LIMIT)
