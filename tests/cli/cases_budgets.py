# SPDX-License-Identifier: LGPL-2.1-or-later
"""The flush budgets of docs/PEER.md §5, counted on the device below the command."""
import os

from harness import FILESYSTEMS, MIB, PRIVATE, TEMPLATE, claim, equal, test

# operation: the peer on XFS, the budget on XFS, on Btrfs
BUDGETS = {
    "start origin, P valid": (2, 2, 2),
    "start origin, no P": (6, 4, 4),
    "stop origin, with revision and prune": (13, 4, 6),
    "start snapshot": (6, 0, 0),
    "stop snapshot": (4, 0, 0),
    "start volatile": (4, 0, 0),
    "stop volatile": (2, 0, 0),
    "revert": (12, 2, 4),
    "resize, stopped": (10, 4, 4),
    "import begin + end": (19, 4, 6),
    "create": (10, 4, 4),
    # One more name, which docs/PEER.md does not count:
    "create, with the directory of the VM": (10, 4, 6),
    "remove": (10, 4, 4),
    "info, list, revisions, verify": (0, 0, 0),
}
ROUNDS = 3  # the least counts: the filesystem's own work now and then adds to what the others cost
measured = {}  # (operation, filesystem): flushes


def flushes_of(place, *command, written=None, **options):
    """Of one command; `written` is what the VM has written by then, and nobody has synced."""
    os.sync()  # what came before is not to be paid for by this
    if written:
        place.write(written, command[2])
    before = place.mount.flushes()
    place.call("--no-wait", *command, **options)
    return place.mount.flushes() - before


def within_budget(place, operation, one_round):
    found = min(one_round(number) for number in range(ROUNDS))
    kind = place.mount.kind
    measured[operation, kind] = found
    budget = BUDGETS[operation][1 + FILESYSTEMS.index(kind)]
    claim(found <= budget, f"{operation} on {kind}: {found} flushes, allowed are {budget}")


def print_table():
    if not measured:
        return
    print(f"\n{'flush requests':38}{'peer':>6}" +
          "".join(f"{kind:>8}{'budget':>8}" for kind in FILESYSTEMS))
    for operation, (peer, *budgets) in BUDGETS.items():
        cells = "".join(f"{measured.get((operation, kind), '-'):>8}{budget:>8}"
                        for kind, budget in zip(FILESYSTEMS, budgets))
        print(f"{operation:38}{peer:>6}{cells}")
    print()


@test(*FILESYSTEMS)
def budget_start_with_precache(place):
    place.volume("create", PRIVATE, "--size", "64M")

    def one_round(number):
        place.session(b"round %d" % number)
        claim(os.path.exists(place.path("-precache.img")), "no precache was made")
        flushes = flushes_of(place, "start", place.pool, PRIVATE)
        claim(not os.path.exists(place.path("-precache.img")), "the precache was not used")
        place.volume("stop")
        return flushes

    within_budget(place, "start origin, P valid", one_round)


@test(*FILESYSTEMS)
def budget_start_without_precache(place):
    place.volume("create", PRIVATE, "--size", "64M")

    def one_round(_number):
        if os.path.exists(place.path("-precache.img")):
            os.unlink(place.path("-precache.img"))
        flushes = flushes_of(place, "start", place.pool, PRIVATE)
        place.volume("discard")
        return flushes

    within_budget(place, "start origin, no P", one_round)


@test(*FILESYSTEMS)
def budget_stop(place):
    place.volume("create", PRIVATE, "--size", "64M")
    place.session(b"the first")

    def one_round(number):
        place.volume("start")
        before = place.volume("revisions")
        flushes = flushes_of(place, "stop", place.pool, PRIVATE, written=os.urandom(MIB))
        after = place.volume("revisions")
        equal([len(before), len(after)], [1, 1], f"revisions in round {number}")
        claim(before[0]["number"] < after[0]["number"], "the old revision was not pruned")
        return flushes

    within_budget(place, "stop origin, with revision and prune", one_round)


@test(*FILESYSTEMS)
def budget_thrown_away(place):
    place.volume("create", TEMPLATE, "--size", "64M")
    place.session(b"a template", TEMPLATE)
    kinds = {
        "snapshot": ["appvms/work/root", "--snapshot", "--source", TEMPLATE],
        "volatile": ["appvms/work/volatile", "--volatile"],
    }
    for kind, options in kinds.items():
        costs = {"start": [], "stop": []}
        for _ in range(ROUNDS):
            more = ["--size", "64M"] if kind == "volatile" else []
            costs["start"].append(flushes_of(place, "start", place.pool, *options, *more))
            costs["stop"].append(flushes_of(place, "stop", place.pool, *options,
                                            written=os.urandom(MIB)))
        for verb, found in costs.items():
            within_budget(place, f"{verb} {kind}", lambda number, found=found: found[number])


@test(*FILESYSTEMS)
def budget_revert(place):
    place.volume("create", PRIVATE, "--size", "64M")
    place.session(b"the first")
    within_budget(place, "revert", lambda _: flushes_of(place, "revert", place.pool, PRIVATE))


@test(*FILESYSTEMS)
def budget_resize(place):
    place.volume("create", PRIVATE, "--size", "64M")
    place.session(b"the first")
    within_budget(place, "resize, stopped", lambda number: flushes_of(
        place, "resize", place.pool, PRIVATE, "--size", f"{65 + number}M"))


@test(*FILESYSTEMS)
def budget_import(place):
    place.volume("create", PRIVATE, "--size", "64M")
    within_budget(place, "import begin + end", lambda _: flushes_of(
        place, "import", place.pool, PRIVATE, "--from", "-", input=os.urandom(4 * MIB)))


@test(*FILESYSTEMS)
def budget_create_and_remove(place):
    names = {"create, with the directory of the VM": "private", "create": "root"}
    costs = {name: [] for name in names}
    costs["remove"] = []
    for number in range(ROUNDS):
        for name, volume in names.items():
            vid = f"appvms/vm{number}/{volume}"
            costs[name].append(flushes_of(place, "create", place.pool, vid, "--size", "64M"))
            place.session(b"something", vid)
        costs["remove"] += [flushes_of(place, "remove", place.pool, f"appvms/vm{number}/{volume}")
                            for volume in names.values()]
    for name, found in costs.items():
        within_budget(place, name, lambda number, found=found: found[number])


@test(*FILESYSTEMS)
def budget_of_looking(place):
    place.volume("create", PRIVATE, "--size", "64M")
    place.session(b"something")

    def one_round(_number):
        return sum([
            flushes_of(place, "info", place.pool),
            flushes_of(place, "info", place.pool, PRIVATE),
            flushes_of(place, "list", place.pool),
            flushes_of(place, "revisions", place.pool, PRIVATE),
            flushes_of(place, "verify", place.pool, PRIVATE),
        ])

    within_budget(place, "info, list, revisions, verify", one_round)
