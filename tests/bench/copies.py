# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `copies`: import of a 4 GiB image with 1 GiB of data from another filesystem.

Against `cp --sparse=always` and `qemu-img convert`, each with a sync of what it made. The source is
read once before each, so that it is in the page cache for all alike; medians, as a sync of a GiB
varies in both directions.
"""
import os
import statistics
import subprocess
import time

from contest import Contestant
from disks import MIB, BenchError, Disk
from report import milliseconds, print_table

SIZE, PIECE = 4096 * MIB, MIB  # a piece of data, and three of hole
NOISE = 1.05  # "at least as fast": what cannot be told from it


def make_source(path):
    piece = os.urandom(PIECE)
    with open(path, "wb", buffering=0) as file:
        file.truncate(SIZE)
        for at in range(0, SIZE, 4 * PIECE):
            file.seek(at)
            file.write(at.to_bytes(8, "little") + piece[8:])
        os.fsync(file.fileno())


def warm(path):
    with open(path, "rb", buffering=0) as file:
        for at in range(0, SIZE, 4 * PIECE):
            file.seek(at)
            file.read(PIECE)


def require_same(path, source):
    """A copy that is wrong, or that filled the holes, has no time worth telling."""
    found = os.stat(path)
    if found.st_size != SIZE or found.st_blocks * 512 > 1.1 * SIZE / 4:
        raise BenchError(f"{path}: {found.st_size} bytes, {found.st_blocks * 512} allocated")
    with open(path, "rb", buffering=0) as copy, open(source, "rb", buffering=0) as original:
        for at in range(0, SIZE, 4 * PIECE):
            copy.seek(at)
            original.seek(at)
            if copy.read(PIECE) != original.read(PIECE):
                raise BenchError(f"{path}: wrong at {at}")


def by_command(*command):
    def copy(disk, source):
        target = os.path.join(disk.path, "copy")
        disk.settle()
        warm(source)
        begin = time.monotonic_ns()
        subprocess.run([*command, source, target], check=True)
        subprocess.run(["sync", target], check=True)
        taken = time.monotonic_ns() - begin
        require_same(target, source)
        os.unlink(target)
        return taken
    return copy


def by_import(options):
    ours = Contestant("ours", os.path.join(options.build, "tests/bench/ours"))

    def copy(disk, source):
        pool = disk.make_pool("copies", 1)
        disk.settle()
        warm(source)
        sample = ours.run(disk, pool, "import-file", source)
        require_same(os.path.join(pool, "appvms/work/private.img"), source)
        disk.remove_pool(pool)
        return sample["foreground"]["ns"]
    return copy


def run(disks, options, say):
    ways = {"ours": by_import(options), "cp": by_command("cp", "--sparse=always"),
            "qemu-img": by_command("qemu-img", "convert", "-f", "raw", "-O", "raw")}
    other = Disk("ext4", options.directory, size=8192 * MIB)
    result = {}
    try:
        source = os.path.join(other.path, "source")
        make_source(source)
        for disk in disks:
            times = {name: [] for name in ways}
            for number in range(options.rounds):
                say(f"{disk.kind}: copies, round {number + 1} of {options.rounds}")
                for name, copy in ways.items():
                    times[name].append(copy(disk, source))
            result[disk.kind] = {name: {"median_ns": statistics.median(found), "all_ns": found}
                                 for name, found in times.items()}
    finally:
        other.close()
    return result


def show(result):
    rows = [[kind, name, milliseconds(found["median_ns"]), milliseconds(min(found["all_ns"])),
             milliseconds(max(found["all_ns"]))]
            for kind, cells in result.items() for name, found in cells.items()]
    print_table("4 GiB with 1 GiB of data from ext4, each with its sync",
                ["filesystem", "by", "median ms", "least", "most"], rows)


def judge(result, verdicts):
    for kind, cells in result.items():
        fastest = min(cells[name]["median_ns"] for name in ("cp", "qemu-img"))
        verdicts.at_most(f"{kind}: import from another filesystem / the faster of cp, qemu-img",
                         cells["ours"]["median_ns"] / fastest, NOISE)
