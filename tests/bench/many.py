# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `many`: the three volumes of each of 100 VMs, started at once.

Ours from one process, by threads and by jobs, and from many; the peer as qubesd does it, all in one
asyncio.gather. Each on a pool of its own on one device, in turn.
"""
import os

from contest import Contestant, contestants, least
from disks import clone
from report import milliseconds, print_table

VMS = 100
VOLUMES = 3 * VMS
EXTENTS = 1000
WAYS = ("threads", "jobs", "processes")
PEER_LIMIT = {"xfs": 5}  # times the peer's volumes per second


def make_pool(disk, name):
    """Every VM as its last session left it: with a precache."""
    pool = disk.make_pool(name, EXTENTS)
    image = disk.image(EXTENTS)
    times = os.stat(image)
    for number in range(VMS):
        directory = os.path.join(pool, f"appvms/vm{number}")
        os.mkdir(directory)
        os.link(image, os.path.join(directory, "private.img"))
        precache = os.path.join(directory, "private-precache.img")
        clone(image, precache)
        os.utime(precache, ns=(times.st_mtime_ns, times.st_mtime_ns))
    return pool


def run_one(disk, contestant, operation):
    pool = make_pool(disk, "many")
    if operation in WAYS:
        contestant.run(disk, pool, "rehearse", str(VMS))
    sample = contestant.run(disk, pool, operation, str(VMS))
    disk.remove_pool(pool)
    return sample


def run(disks, options, say):
    ours = Contestant("ours", os.path.join(options.build, "tests/bench/many"))
    plans = [(f"ours, {way}", ours, way) for way in WAYS]
    plans += [("peer", one, "start-many") for one in contestants(options) if one.name == "peer"]
    result = {}
    for disk in disks:
        samples = {}
        for number in range(options.rounds):
            say(f"{disk.kind}: {VMS} VMs at once, round {number + 1} of {options.rounds}")
            for name, contestant, operation in plans:
                samples.setdefault(name, []).append(run_one(disk, contestant, operation))
        result[disk.kind] = {name: summary(found) for name, found in samples.items()}
    return result


def summary(samples):
    ns = least(samples, "foreground")
    return {"ns": ns, "flushes": least(samples, "foreground", "flushes"),
            "volumes_per_second": VOLUMES * 1e9 / ns}


def show(result):
    rows = [[kind, name, f"{found['volumes_per_second']:.0f}", milliseconds(found["ns"]),
             found["flushes"]] for kind, cells in result.items() for name, found in cells.items()]
    print_table(f"{VMS} VMs of three volumes started at once",
                ["filesystem", "by", "volumes/s", "ms", "flushes"], rows)


def judge(result, verdicts):
    for kind, limit in PEER_LIMIT.items():
        cells = result.get(kind, {})
        for way in WAYS if "peer" in cells else ():
            verdicts.at_least(f"{kind}: {VMS} VMs at once, {way}: volumes per second / peer's",
                              cells[f"ours, {way}"]["volumes_per_second"]
                              / cells["peer"]["volumes_per_second"], limit)
