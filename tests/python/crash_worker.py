# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is killed: random operations on one volume and its neighbours, in an event loop, until the
end. It says before each commit which state will be committed, and afterwards which one is.

usage: crash_worker.py POOL NUMBER SEED"""
import asyncio
import os
import random
import sys

import qubesstorage
from cases_crash import FRESH, IN_PLACE, KEEP, OTHER, PRIVATE, ROOT, SIZE, TEMPLATE, fill


def say(*words):
    # One write, which a kill cannot cut in two.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Worker:
    """The states are numbers that only grow: so one knows of each where it comes from."""

    def __init__(self, pool, number, chance):
        self.volume = pool.volume(PRIVATE, size=SIZE, save_on_stop=True, rw=True,
                                  revisions_to_keep=KEEP)
        self.other = pool.volume(OTHER, size=SIZE, save_on_stop=True, rw=True)
        self.root = pool.volume(ROOT, size=SIZE, rw=True, snap_on_start=True, source=TEMPLATE)
        self.fresh = pool.volume(FRESH, size=SIZE, save_on_stop=True, rw=True)
        self.in_place = pool.volume(IN_PLACE, size=SIZE, save_on_stop=True, rw=True)
        self.pool, self.number, self.chance = pool, number, chance

    def new_state(self, path):
        self.number += 1
        fill(path, self.number)
        say("commit", self.number)

    def answered(self):
        say("committed", self.number)

    async def session(self):
        await self.volume.start_async()
        self.new_state(self.volume.path)
        await self.volume.stop_async()
        self.answered()

    async def import_data(self):
        await self.volume.import_begin_async(SIZE)
        self.new_state(self.volume.import_path)
        await self.volume.import_end_async()
        self.answered()

    async def import_volume(self):
        await self.other.start_async()
        fill(self.other.path, self.number + 1)
        await self.other.stop_async()
        self.number += 1
        say("commit", self.number)
        await self.volume.import_volume_async(self.other)
        self.answered()

    async def import_fd(self):
        with open(os.path.join(self.pool.dir_path, "image"), "w+b") as file:
            file.truncate(SIZE)
            self.new_state(file.name)
            await self.volume.import_fd_async(file)
            self.answered()
            say("export")
            await self.volume.export_to_async(file)

    async def revert(self):
        await self.volume.start_async()
        fill(self.volume.path, self.number + 1)
        say("commit", self.number + 1)
        await self.volume.stop_async()
        say("committed", self.number + 1)
        say("commit", self.number)
        await self.volume.revert_async()
        say("committed", self.number)
        # The number of the state that was reverted is not used again.
        self.number += 1
        await self.volume.start_async()
        self.new_state(self.volume.path)
        await self.volume.stop_async()
        self.answered()

    async def resize(self):
        say("resize")
        await self.volume.resize_async(SIZE + 4096 * self.chance.randrange(1, 100), shrink=True)

    async def discard(self):
        say("discard")
        await self.volume.start_async()
        fill(self.volume.path, 999999)
        await self.volume.discard_async()

    async def others(self):
        say("others")
        await asyncio.gather(self.root.start_async(), self.pool.recover_async(),
                             self.volume.prune_async(KEEP))
        await self.root.stop_async()

    async def life(self):
        say("life")
        await self.fresh.create_async()
        await self.fresh.start_async()
        await self.fresh.stop_async()
        await self.fresh.remove_async()

    async def without_snapshots(self):
        say("without-snapshots")
        await self.in_place.set_revisions_to_keep_async(-1)
        await self.in_place.start_async()
        fill(self.in_place.path, 1, 4096)  # one block: what is written in place may be torn
        await self.in_place.stop_async()
        await self.in_place.set_revisions_to_keep_async(1)

    async def run(self):
        operations = [self.session, self.import_data, self.import_volume, self.import_fd,
                      self.revert, self.resize, self.discard, self.others, self.life,
                      self.without_snapshots]
        while True:
            await self.chance.choice(operations)()


async def main():
    pool = qubesstorage.Pool(sys.argv[1])
    worker = Worker(pool, int(sys.argv[2]), random.Random(int(sys.argv[3])))
    say("begun")
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
