# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Python process that is killed in the middle of whatever it does; the next one recovers."""
import collections
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import qubesstorage
from harness import FILESYSTEMS, Failure, test
from place import HERE, MIB, PATIENCE, PRIVATE, SLOWNESS, TEMPLATE, claim, equal

SECONDS = float(os.environ.get("QUBES_STORAGE_TEST_SECONDS", "10"))
SEED = os.environ.get("QUBES_STORAGE_TEST_SEED")
OTHER = "appvms/other/private"
ROOT = "appvms/work/root"
VOLATILE = "appvms/work/volatile"
FRESH = "appvms/fresh/private"
IN_PLACE = "appvms/in-place/private"
KEEP = 3
SIZE = 2 * MIB
DISCARDED = 999999  # the state of sessions that are never committed
SOURCE = 7  # that of the file `source`, which is cloned to the file `clone`
# What the worker is killed in, and which of its methods does that.
OPERATIONS = {
    "start": "session", "stop": "session", "discard": "discard", "revert": "revert",
    "import_begin": "import_data", "import_end": "import_data", "import_drop": "import_nothing",
    "import_volume": "import_volume", "import_fd": "import_fd", "export_to": "export",
    "resize_stopped": "resize", "resize_running": "resize_running", "prune": "prune",
    "verify": "look", "recover": "others", "start_snapshot": "others", "stop_snapshot": "others",
    "start_volatile": "volatile", "stop_volatile": "volatile", "create": "life", "remove": "life",
    "start_in_place": "without_snapshots", "stop_in_place": "without_snapshots",
    "file_clone": "files",
}
KILLS_MAX = 20 * len(OPERATIONS)
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

    def __init__(self):
        self.possible, self.answered, self.under_way = {0}, None, set()
        self.counts, self.seconds, self.text, self._rest = collections.Counter(), {}, b"", b""

    def add(self, text):
        """A piece of it, as it comes."""
        self.text += text
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            self._understand(*line.decode().split(" "))

    def _understand(self, word, *rest):
        if word == "commit":  # about to make this the committed state
            self.possible.add(int(rest[0]))
        elif word == "committed":
            self.answered = int(rest[0])
            self.possible = {self.answered}
        elif word == "op":  # about to begin
            self.under_way.add(rest[0])
            self.counts[rest[0]] += 1
        elif word == "done":  # it has answered, after so many microseconds
            self.under_way.remove(rest[0])
            self.seconds[rest[0]] = int(rest[1]) / 1e6
        else:
            equal([word, *rest], ["begun"], "what the worker says")
            self.counts["begun"] += 1


def check(place, log, before):
    """The next process: it recovers, finds a state that may be, and goes on. The committed state
    then, and what was found."""
    with qubesstorage.Pool(place.dir_path) as pool:
        findings = {found.finding.rsplit(" ", 1)[0] for found in pool.recover()}
        volume = pool.volume(PRIVATE, size=SIZE, save_on_stop=True, rw=True,
                             revisions_to_keep=KEEP)
        committed = state_of(place.path(".img"))
        allowed = (log.possible - {0}) | ({before} if log.answered is None else set())
        claim(committed in allowed, f"{committed} is committed, not one of {allowed}")
        states = revision_states(place)
        claim(DISCARDED not in states, "what was discarded is a revision")
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
        check_files(place)
        return committed + 1, findings


def check_others(place, pool):
    """They are stopped, start, and stop."""
    fresh = pool.volume(FRESH, size=SIZE, save_on_stop=True)
    if FRESH in pool.volumes():
        fresh.remove()
    fresh.create()
    snapshot = pool.volume(ROOT, size=SIZE, rw=True, source=TEMPLATE, snap_on_start=True)
    volatile = pool.volume(VOLATILE, size=SIZE, rw=True)
    # A session without snapshots is ended by whoever can tell: the files do.
    saved = [pool.volume(vid, size=SIZE, save_on_stop=True) for vid in (OTHER, IN_PLACE)]
    for other in (snapshot, volatile, *saved, fresh):
        other.stop()
        other.start()
        other.stop()
    fresh.remove()
    with open(place.path(".img", IN_PLACE), "rb") as file:
        claim(file.read(4096) in (bytes(4096), stamp(1)), "what was written in place")


def check_files(place):
    """A file that was cloned is whole, or what it was before: nothing, or the same."""
    for name in os.listdir(place.dir_path):
        path = os.path.join(place.dir_path, name)
        if name == "clone":
            equal(state_of(path), SOURCE, "the clone of a file")
        elif name.startswith("clone~"):
            os.unlink(path)


class Killer:
    """Kills workers, each in the middle of something, and checks what is left."""

    def __init__(self, place, seed, committed):
        self.place, self.seed, self.committed = place, seed, committed
        self.chance = random.Random(seed)
        self.kills, self.found, self.seconds = 0, collections.Counter(), {}
        self.findings = collections.Counter()
        self.kept = os.path.join(place.root, "kept")

    def kill_one(self, target):
        """In the operation `target`, as far as that can be aimed at; or anywhere."""
        log = Log()
        try:
            self._run(log, target)
            shutil.rmtree(self.kept, ignore_errors=True)
            subprocess.run(["cp", "-a", "--reflink=auto", self.place.dir_path, self.kept],
                           check=True)
            self.committed, findings = check(self.place, log, self.committed)
        except Exception as error:
            raise Failure(self._keep(log, target) + traceback.format_exc()) from error
        self.kills += 1
        self.found.update(log.under_way)
        self.findings.update(findings)
        self.seconds.update(log.seconds)

    def _run(self, log, target):
        command = [sys.executable, "-B", os.path.join(HERE, "crash_worker.py"),
                   self.place.dir_path, str(self.committed), str(self.chance.randrange(10**6)),
                   *([target] if target else [])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment) as worker:
            try:
                times = self.chance.randrange(1, 4) if target else 1
                while log.counts[target or "begun"] < times and self._read(worker.stdout, log):
                    pass
                seconds = self.seconds.get(target, 0.002 * SLOWNESS) if target else 0.15 * SLOWNESS
                time.sleep(max(0, self.chance.uniform(-0.2, 0.9)) * seconds)
            finally:
                worker.send_signal(signal.SIGKILL)
            log.add(worker.stdout.read())
            complaint = worker.stderr.read().decode()
        equal([worker.returncode, complaint], [-signal.SIGKILL, ""], "the end of the worker")

    @staticmethod
    def _read(stream, log):
        claim(select.select([stream], [], [], 60 * PATIENCE)[0], "the worker hangs")
        text = os.read(stream.fileno(), 65536)
        log.add(text)
        return text

    def _keep(self, log, target):
        """Lets the pool be looked at, as it was before the recovery, and says where it is."""
        directory = tempfile.mkdtemp(prefix="qubes-storage-crash-", dir="/var/tmp")
        if os.path.isdir(self.kept):
            subprocess.run(["cp", "-a", "--sparse=always", self.kept,
                            os.path.join(directory, "pool")], check=False)
        with open(os.path.join(directory, "log"), "wb") as file:
            file.write(log.text)
        return (f"after {self.kills} kills, the next of {target or 'anything'}, in "
                f"{sorted(log.under_way)}\n  {directory} has the pool as it was then, and what the "
                f"worker said\n  repeat with the variable QUBES_STORAGE_TEST_SEED={self.seed}\n")


@test(*FILESYSTEMS)
def killed_in_the_middle(place):
    for vid in (PRIVATE, OTHER, TEMPLATE, IN_PLACE):
        place.origin(vid, size=SIZE).close()
    source = os.path.join(place.dir_path, "source")
    qubesstorage.file_create_sparse(source, SIZE)
    fill(source, SOURCE)
    with place.pool.volume(PRIVATE, size=SIZE, save_on_stop=True, revisions_to_keep=KEEP) as volume:
        for number in (1, 2, 3, 4):
            volume.start()
            fill(volume.path, number)
            volume.stop()
    killer = Killer(place, int(SEED) if SEED else random.randrange(10**6), 4)
    wanted = sorted(OPERATIONS)
    if SLOWNESS > 1:  # a half on each filesystem
        wanted = wanted[FILESYSTEMS.index(place.mount.kind)::2]
    end = time.monotonic() + SECONDS / 2
    while True:
        missing = [name for name in wanted if not killer.found[name]]
        if not missing and time.monotonic() > end:
            break
        claim(killer.kills < KILLS_MAX, f"{KILLS_MAX} kills, and never in {missing}")
        killer.kill_one(killer.chance.choice(missing) if missing else None)
    print(f"       {place.mount.kind}: killed {killer.kills} times, in "
          + ", ".join(f"{name} {count}" for name, count in sorted(killer.found.items()))
          + "; found " + ", ".join(f"{name} {n}" for name, n in sorted(killer.findings.items())))
    claim(killer.findings, "nothing was ever left to recover")
