# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is killed: random operations on one volume and its neighbours, in an event loop, until the
end; or again and again those among which is OPERATION. It says before each operation which one it
is, before each commit which state will be committed, and afterwards what was answered.

usage: crash_worker.py POOL NUMBER SEED [OPERATION]"""
import asyncio
import os
import random
import sys
import time

import qubesstorage
from cases_crash import (DISCARDED, FRESH, IN_PLACE, KEEP, OPERATIONS, OTHER, PRIVATE, ROOT, SIZE,
                         TEMPLATE, VOLATILE, fill)


def say(*words):
    # One write, which a kill cannot cut in two.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def do(name, coroutine):
    say("op", name)
    begun = time.monotonic()
    await coroutine
    say("done", name, int((time.monotonic() - begun) * 1e6))


class Worker:
    """The states are numbers that only grow: so one knows of each where it comes from."""

    def __init__(self, pool, number, chance):
        self.volume = pool.volume(PRIVATE, size=SIZE, save_on_stop=True, rw=True,
                                  revisions_to_keep=KEEP)
        self.other = pool.volume(OTHER, size=SIZE, save_on_stop=True, rw=True)
        self.root = pool.volume(ROOT, size=SIZE, rw=True, snap_on_start=True, source=TEMPLATE)
        self.empty = pool.volume(VOLATILE, size=SIZE, rw=True)
        self.fresh = pool.volume(FRESH, size=SIZE, save_on_stop=True, rw=True)
        self.in_place = pool.volume(IN_PLACE, size=SIZE, save_on_stop=True, rw=True)
        self.pool, self.number, self.chance = pool, number, chance

    def path(self, name):
        return os.path.join(self.pool.dir_path, name)

    def new_state(self, path):
        self.number += 1
        fill(path, self.number)
        say("commit", self.number)

    def answered(self):
        say("committed", self.number)

    async def session(self):
        await do("start", self.volume.start_async())
        self.new_state(self.volume.path)
        await do("stop", self.volume.stop_async())
        self.answered()

    async def discard(self):
        await do("start", self.volume.start_async())
        fill(self.volume.path, DISCARDED)
        await do("discard", self.volume.discard_async())

    async def revert(self):
        await do("start", self.volume.start_async())
        fill(self.volume.path, self.number + 1)
        say("commit", self.number + 1)
        await do("stop", self.volume.stop_async())
        say("committed", self.number + 1)
        say("commit", self.number)
        await do("revert", self.volume.revert_async())
        say("committed", self.number)
        # The number of the state that was reverted is not used again.
        self.number += 1
        await self.session()

    async def import_data(self):
        await do("import_begin", self.volume.import_begin_async(SIZE))
        self.new_state(self.volume.import_path)
        await do("import_end", self.volume.import_end_async())
        self.answered()

    async def import_nothing(self):
        await do("import_begin", self.volume.import_begin_async(SIZE))
        fill(self.volume.import_path, DISCARDED)
        await do("import_drop", self.volume.import_end_async(False))

    async def import_volume(self):
        await self.other.start_async()
        fill(self.other.path, self.number + 1)
        await self.other.stop_async()
        self.number += 1
        say("commit", self.number)
        await do("import_volume", self.volume.import_volume_async(self.other))
        self.answered()

    async def import_fd(self):
        with open(self.path("image"), "w+b") as file:
            file.truncate(SIZE)
            self.new_state(file.name)
            await do("import_fd", self.volume.import_fd_async(file))
            self.answered()

    async def export(self):
        with open(self.path("export"), "w+b") as file:
            await do("export_to", self.volume.export_to_async(file))

    async def resize(self):
        size = SIZE + 4096 * self.chance.randrange(1, 100)
        await do("resize_stopped", self.volume.resize_async(size, shrink=True))

    async def resize_running(self):
        await do("start", self.volume.start_async())
        size = (self.volume.size or 0) + 4096 * self.chance.randrange(1, 100)
        await do("resize_running", self.volume.resize_async(size))
        await do("discard", self.volume.discard_async())

    async def prune(self):
        await self.session()
        await self.session()
        await do("prune", self.volume.prune_async(1))

    async def look(self):
        await do("verify", self.volume.verify_async())

    async def others(self):
        await asyncio.gather(do("start_snapshot", self.root.start_async()),
                             do("recover", self.pool.recover_async()))
        await do("stop_snapshot", self.root.stop_async())

    async def volatile(self):
        await do("start_volatile", self.empty.start_async())
        await do("stop_volatile", self.empty.stop_async())

    async def life(self):
        await do("create", self.fresh.create_async())
        await self.fresh.start_async()
        fill(self.fresh.path, 1)
        await self.fresh.stop_async()
        await do("remove", self.fresh.remove_async())

    async def without_snapshots(self):
        await self.in_place.set_revisions_to_keep_async(-1)
        await do("start_in_place", self.in_place.start_async())
        fill(self.in_place.path, 1, 4096)  # one block: what is written in place may be torn
        await do("stop_in_place", self.in_place.stop_async())
        await self.in_place.set_revisions_to_keep_async(1)

    async def files(self):
        await do("file_clone", qubesstorage.file_clone_async(self.path("source"),
                                                             self.path("clone")))

    async def run(self, operation):
        methods = [OPERATIONS[operation]] if operation else sorted({*OPERATIONS.values()})
        while True:
            await getattr(self, self.chance.choice(methods))()


async def main():
    pool = qubesstorage.Pool(sys.argv[1])
    worker = Worker(pool, int(sys.argv[2]), random.Random(int(sys.argv[3])))
    say("begun")
    await worker.run(sys.argv[4] if len(sys.argv) > 4 else None)


if __name__ == "__main__":
    asyncio.run(main())
