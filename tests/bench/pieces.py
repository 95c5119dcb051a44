# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `pieces`: what clones in pieces lose against one FICLONE, by the size of the pieces.

The time of the processor is judged: a clone waits for the journal now and then, which has nothing
to do with the pieces and makes the other time jump.
"""
import json
import os
import subprocess

from report import milliseconds, print_table

SIZES_MIB = (4, 16, 32, 64, 256)
CHOSEN_MIB = 32
LOSS_LIMIT = 0.05


def run(disks, options, say):
    program = os.path.join(options.build, "tests/bench/clone_pieces")
    result = {}
    for disk in disks:
        say(f"{disk.kind}: clones in pieces")
        image = disk.image(max(options.extents))
        disk.settle()
        done = subprocess.run([program, image, disk.path, str(max(options.rounds, 5)),
                               *map(str, SIZES_MIB)], capture_output=True, text=True, check=True)
        result[disk.kind] = json.loads(done.stdout)
    return result


def show(result):
    for kind, ways in result.items():
        rows = [[f"{way['piece_mib']} MiB" if way["piece_mib"] else "one FICLONE",
                 milliseconds(way["least_cpu_ns"]), f"{100 * way['loss_cpu']:+.1f} %",
                 milliseconds(way["least_ns"]), f"{100 * way['loss']:+.1f} %",
                 milliseconds(way["longest_piece_ns"])] for way in ways]
        print_table(f"{kind}, clone in pieces",
                    ["pieces", "processor ms", "loss", "ms", "loss", "longest piece ms"], rows)


def judge(result, verdicts):
    for kind, ways in result.items():
        chosen = next(way for way in ways if way["piece_mib"] == CHOSEN_MIB)
        verdicts.at_most(f"{kind}: clone in pieces of {CHOSEN_MIB} MiB: loss of processor time",
                         chosen["loss_cpu"], LOSS_LIMIT)
