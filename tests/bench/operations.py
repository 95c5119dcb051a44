# SPDX-License-Identifier: LGPL-2.1-or-later
"""Section `operations`: the life of a volume, each operation by each contestant in turn.

The contestants live the same life in pools of their own on one filesystem, in lock step: each
operation is run by all of them, one after the other, before the next begins. So noise hits all
alike, and what one operation leaves is what the next begins with, as in a real pool.
"""
import report
from contest import contestants, least
from disks import require_extents

FILESYSTEMS = ("xfs", "btrfs")

# (the name in the table, or None for what only leads to the next; the operation of the programs)
LIFE = (
    ("start, no precache", "start"),
    (None, "stop"),  # makes the first revision, and the precache
    ("start, precache", "start"),
    ("stop, revision and prune", "stop"),
    ("revert", "revert"),
    ("resize, stopped", "resize"),
    (None, "start"),
    ("discard", "discard"),
    ("import begin + end", "import"),
    ("prune", "prune"),
    (None, "start-snapshot"),  # what it leaves is there for the next
    (None, "stop-snapshot"),
    ("start snapshot", "start-snapshot"),
    ("stop snapshot", "stop-snapshot"),
    ("start volatile", "start-volatile"),
    ("stop volatile", "stop-volatile"),
    ("remove", "remove"),
)
NAMES = [name for name, _ in LIFE if name]

# Of these the foreground must not grow with the extents, nor exceed the bare system calls by half.
BOUNDED = ("start, precache", "stop, revision and prune", "revert", "resize, stopped", "discard",
           "prune", "remove")
GROWTH_LIMIT, BARE_LIMIT = 3, 1.5
PEER_OPERATIONS = ("stop, revision and prune", "revert", "resize, stopped")
PEER_FASTER = {"xfs": 500, "btrfs": 200}
PEER_TOTAL_LIMIT = 0.6
MANY_EXTENTS = 100_000  # from here on a round takes minutes
CHEAP_ROUNDS = 3  # times as many below: there a millisecond of noise is much


def live_once(disk, extents, taking_part, samples, say):
    image = disk.image(extents)
    pools = {one.name: disk.make_pool(one.name, extents) for one in taking_part}
    for one in taking_part:
        require_extents(f"{pools[one.name]}/appvms/work/private.img", extents)
    for name, operation in LIFE:
        found = {one.name: one.run(disk, pools[one.name], operation, image) for one in taking_part}
        if name is None:
            continue
        for one, sample in found.items():
            if sample:
                samples.setdefault(name, {}).setdefault(one, []).append(sample)
        say(f"  {name}: " + ", ".join(f"{one} {report.milliseconds(foreground(found, one))} ms"
                                      for one, sample in found.items() if sample))
    for pool in pools.values():
        disk.remove_pool(pool)


def measure(disk, extents, options, say):
    samples = {}
    everybody = contestants(options)
    is_long = extents >= MANY_EXTENTS
    rounds = options.rounds if is_long else options.rounds * CHEAP_ROUNDS
    peer_rounds = options.peer_rounds if is_long else options.rounds
    for number in range(rounds):
        say(f"{disk.kind}, {extents} extents: round {number + 1} of {rounds}")
        taking_part = [one for one in everybody if one.name != "peer" or number < peer_rounds]
        shift = number % len(taking_part)  # who comes first may matter
        live_once(disk, extents, taking_part[shift:] + taking_part[:shift], samples, say)
    return samples


def summary(samples):
    """{contestant: {part: {what: least}}} of one operation."""
    return {one: {part: {what: least(found, part, what) for what in ("ns", "flushes", "written")}
                  for part in ("foreground", "total")}
            for one, found in samples.items()}


def run(disks, options, say):
    """{filesystem: {extents: {operation: {contestant: ...}}}}"""
    result = {}
    for disk in disks:
        by_extents = result.setdefault(disk.kind, {})
        for extents in options.extents:
            samples = measure(disk, extents, options, say)
            by_extents[extents] = {name: summary(samples[name]) for name in NAMES}
    return result


# ---- What it must show --------------------------------------------------------------------------


def foreground(cell, contestant="ours"):
    return cell[contestant]["foreground"]["ns"]


def judge(result, verdicts):
    for kind, by_extents in result.items():
        few, many = min(by_extents), max(by_extents)
        if few == 1 and many >= MANY_EXTENTS:
            for name in BOUNDED:
                verdicts.at_most(f"{kind}: {name}: foreground at {many} extents / at 1",
                                 foreground(by_extents[many][name])
                                 / foreground(by_extents[few][name]), GROWTH_LIMIT)
        for extents, cells in by_extents.items():
            for name in BOUNDED:
                verdicts.at_most(f"{kind}: {name}: foreground / bare calls, {extents} extents",
                                 foreground(cells[name]) / foreground(cells[name], "bare"),
                                 BARE_LIMIT)
        if many >= MANY_EXTENTS:
            judge_peer(kind, many, by_extents[many], verdicts)


def judge_peer(kind, extents, cells, verdicts):
    for name in PEER_OPERATIONS:
        if "peer" not in cells[name]:
            continue
        verdicts.at_least(f"{kind}: {name}: peer / foreground, {extents} extents",
                          foreground(cells[name], "peer") / foreground(cells[name]),
                          PEER_FASTER[kind])
        verdicts.at_most(f"{kind}: {name}: foreground + background / peer, {extents} extents",
                         cells[name]["ours"]["total"]["ns"] / foreground(cells[name], "peer"),
                         PEER_TOTAL_LIMIT)


def show(result):
    report.print_operations(result)
