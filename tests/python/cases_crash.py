# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Python process that is killed in the middle of whatever it does; the next one recovers."""
import os
import random
import re
import signal
import subprocess
import sys
import time

import qubesstorage
from harness import test
from place import HERE, MIB, PRIVATE, SLOWNESS, TEMPLATE, claim, equal

SECONDS = float(os.environ.get("QUBES_STORAGE_TEST_SECONDS", "10"))
OTHER = "appvms/other/private"
ROOT = "appvms/work/root"
FRESH = "appvms/fresh/private"
IN_PLACE = "appvms/in-place/private"
KEEP = 3
SIZE = 2 * MIB
REVISION = re.compile(r"private\.img\.(\d+)@")


def stamp(number):
    """A state is one number, in each block: a mixture of two is seen."""
    return b"%015d\n" % number * (4096 // 16)


def fill(path, number, size=SIZE):
    with open(path, "r+b", buffering=0) as file:
        for offset in range(0, size, 64 * 1024):
            os.pwrite(file.fileno(), stamp(number), offset)


def state_of(path):
    """The number of the state; of an empty one 0."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        claim(size >= SIZE, f"{path} has {size} bytes")
        blocks = {os.pread(file.fileno(), 4096, offset) for offset in range(0, SIZE, 64 * 1024)}
    claim(len(blocks) == 1, f"{path} is a mixture of {[block[:16] for block in blocks]}")
    block, = blocks
    number = int(block[:15]) if block.strip(b"\0") else 0
    claim(not number or block == stamp(number), f"{path} is torn")
    return number


def revision_states(place):
    directory = os.path.dirname(place.path(".img"))
    found = {int(match[1]): state_of(os.path.join(directory, name))
             for name in os.listdir(directory)
             for match in [REVISION.match(name)] if match}
    return [found[number] for number in sorted(found)]


class Log:
    """What the worker said that it was about to do, and what had been answered."""

    def __init__(self, text):
        self.possible, self.answered, self.last = {0}, None, ""
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            self.last = line.strip()
            word, _, number = line.partition(" ")
            if word == "commit":  # about to make this the committed state
                self.possible.add(int(number))
            elif word == "committed":
                self.answered = int(number)
                self.possible = {int(number)}


def check(place, log, before):
    """The next process: it recovers, finds a state that may be, and goes on."""
    with qubesstorage.Pool(place.dir_path) as pool:
        pool.recover()
        volume = pool.volume(PRIVATE, size=SIZE, save_on_stop=True, rw=True,
                             revisions_to_keep=KEEP)
        committed = state_of(place.path(".img"))
        allowed = (log.possible - {0}) | ({before} if log.answered is None else set())
        claim(committed in allowed, f"{committed} is committed, not one of {allowed}")
        states = revision_states(place)
        equal(len(states), len(volume.revisions), "revisions, by name and by the library")
        claim(len(states) >= min(KEEP, 1), "the history is gone")
        names = os.listdir(os.path.dirname(place.path(".img")))
        claim(not [name for name in names if "~" in name or "import" in name], f"left: {names}")
        if volume.is_dirty():
            volume.discard()
        equal(state_of(place.path(".img")), committed, "after a discard")
        volume.start()
        fill(volume.path, committed + 1)
        volume.stop()
        equal(state_of(place.path(".img")), committed + 1, "the next session")
        check_others(place, pool)
        return committed + 1


def check_others(place, pool):
    """They are stopped, start, and stop."""
    fresh = pool.volume(FRESH, size=SIZE, save_on_stop=True)
    if FRESH in pool.volumes():
        fresh.remove()
    fresh.create()
    snapshot = pool.volume(ROOT, size=SIZE, rw=True, source=TEMPLATE, snap_on_start=True)
    # A session without snapshots is ended by whoever can tell: the files do.
    saved = [pool.volume(vid, size=SIZE, save_on_stop=True) for vid in (OTHER, IN_PLACE)]
    for other in (snapshot, *saved, fresh):
        other.stop()
        other.start()
        other.stop()
    fresh.remove()
    with open(place.path(".img", IN_PLACE), "rb") as file:
        claim(file.read(4096) in (bytes(4096), stamp(1)), "what was written in place")


@test()
def killed_in_the_middle(place):
    for vid in (PRIVATE, OTHER, TEMPLATE, IN_PLACE):
        place.origin(vid, size=SIZE).close()
    with place.pool.volume(PRIVATE, size=SIZE, save_on_stop=True, revisions_to_keep=KEEP) as volume:
        for number in (1, 2, 3, 4):
            volume.start()
            fill(volume.path, number)
            volume.stop()
    committed, seed = 4, random.randrange(10**6)
    chance, kills, lasts = random.Random(seed), 0, set()
    end = time.monotonic() + SECONDS / 2
    while time.monotonic() < end or kills < 10 or (len(lasts) < 5 and kills < 50):
        with subprocess.Popen(
                [sys.executable, "-B", os.path.join(HERE, "crash_worker.py"), place.dir_path,
                 str(committed), str(chance.randrange(10**6))],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as worker:
            try:
                worker.stdout.readline()  # it has begun
                time.sleep(chance.uniform(0, 0.15) * SLOWNESS)
            finally:
                worker.send_signal(signal.SIGKILL)
            text, complaint = worker.communicate()
        equal([worker.returncode, complaint], [-signal.SIGKILL, ""], f"the worker, seed {seed}")
        log = Log(text)
        try:
            committed = check(place, log, committed)
        except Exception as error:
            error.args = (f"after {kills} kills, seed {seed}, last {log.last!r}: {error}",)
            raise
        kills += 1
        lasts.add(log.last.split(" ")[0])
    print(f"       {place.mount.kind}: killed {kills} times, after {sorted(lasts - {''})}")
    claim(len(lasts) >= 5, f"always in the same place: {lasts}")
