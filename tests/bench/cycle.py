# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `cycle`: the flush requests of one start and stop of a VM with its three volumes."""
from contest import contestants, least
from report import milliseconds, print_table

FLUSH_LIMITS = {"xfs": 6, "btrfs": 8}
EXTENTS = 1
ROUNDS = 3  # the least counts: the filesystem's own work now and then adds to what ours costs


def run(disks, options, say):
    result = {}
    for disk in disks:
        say(f"{disk.kind}: start and stop of a VM")
        taking_part = [one for one in contestants(options) if one.name != "bare"]
        pools = {one.name: disk.make_pool(one.name, EXTENTS) for one in taking_part}
        samples = {one.name: [] for one in taking_part}
        for one in taking_part:
            one.run(disk, pools[one.name], "cycle")  # makes the precaches
        for _ in range(max(ROUNDS, options.rounds)):
            for one in taking_part:
                samples[one.name].append(one.run(disk, pools[one.name], "cycle"))
        for pool in pools.values():
            disk.remove_pool(pool)
        result[disk.kind] = {name: {"flushes": least(found, "foreground", "flushes"),
                                    "ns": least(found, "foreground", "ns")}
                             for name, found in samples.items()}
    return result


def show(result):
    rows = [[kind, name, found["flushes"], milliseconds(found["ns"])]
            for kind, cells in result.items() for name, found in cells.items()]
    print_table("start and stop of one VM (origin, snapshot, volatile), foreground",
                ["filesystem", "by", "flushes", "ms"], rows)


def judge(result, verdicts):
    for kind, cells in result.items():
        verdicts.at_most(f"{kind}: flush requests of a start and stop of one VM",
                         cells["ours"]["flushes"], FLUSH_LIMITS[kind])
