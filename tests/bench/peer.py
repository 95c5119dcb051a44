#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One operation of the file-reflink driver out of a checkout of Qubes core-admin, measured.

usage: peer.py CHECKOUT DEVICE POOL OPERATION [IMAGE]

The driver, the base classes and the helpers are those of the checkout. What they import beside
(lxml, docutils, the `qubes` package itself) is stood in for: the driver calls nothing of it. The
output is that of `ours`; for an operation that the driver does not have, it is done by hand and the
output is `null`. The driver has no background: foreground and total are the same.
"""
import asyncio
import fcntl
import glob
import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
import types

MIB = 1 << 20
SIZE = 2048 * MIB  # guest.h
FICLONE = 0x40049409


class StandIn(types.ModuleType):
    """A module of which nothing is used."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """For packages that are not installed, and not needed."""

    PACKAGES = ("lxml", "docutils")

    def find_spec(self, name, _path, _target=None):
        if name.split(".")[0] in self.PACKAGES:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        pass


def load_driver(checkout):
    sys.meta_path.append(StandIns())
    package = types.ModuleType("qubes")
    package.__path__ = [os.path.join(checkout, "qubes")]
    package.property = types.SimpleNamespace(bool=lambda _self, _prop, value: bool(value))
    package.config = types.SimpleNamespace(
        defaults={"private_img_size": SIZE, "root_img_size": SIZE})
    sys.modules["qubes"] = package
    return importlib.import_module("qubes.storage.reflink")


def requests(device):
    """Written, flushes: as in measure.h."""
    with open(f"/sys/block/{device}/stat", encoding="ascii") as file:
        fields = file.read().split()
    return int(fields[4]), int(fields[15])


class Measured:
    """Time and requests of what is awaited by `add`."""

    def __init__(self, device):
        self.device = device
        self.sums = {"ns": 0, "flushes": 0, "written": 0}

    async def add(self, operation):
        written, flushes = requests(self.device)
        begin = time.monotonic_ns()
        result = await operation
        self.sums["ns"] += time.monotonic_ns() - begin
        written_after, flushes_after = requests(self.device)
        self.sums["flushes"] += flushes_after - flushes
        self.sums["written"] += written_after - written
        return result


class Peer:
    """The volumes of guest.h, and the operations on them."""

    def __init__(self, driver, device, pool_path):
        self.measured = Measured(device)
        self.pool = driver.ReflinkPool(name="bench", dir_path=pool_path)
        source = self.volume("debian", "root", "vm-templates", save_on_stop=True)
        self.private, self.root, self.volatile = self.disks("work", source)

    def volume(self, vm, name, prefix, **config):
        owner = types.SimpleNamespace(name=vm, dir_path_prefix=prefix)
        return self.pool.init_volume(owner, {"name": name, "rw": True, "size": SIZE, **config})

    def disks(self, vm, source):
        return (self.volume(vm, "private", "appvms", save_on_stop=True),
                self.volume(vm, "root", "appvms", snap_on_start=True, source=source),
                self.volume(vm, "volatile", "appvms"))

    async def stop(self):
        with open(self.private.path, "r+b") as file:
            file.write(time.monotonic_ns().to_bytes(8, "little") * 512)
        await self.measured.add(self.private.stop())

    async def discard(self):
        os.unlink(self.private.path)

    async def prune(self):
        for path in glob.glob(f"{self.pool.dir_path}/appvms/work/private.img.*"):
            os.unlink(path)

    async def import_image(self, image):
        path = await self.measured.add(self.private.import_data(SIZE))
        with open(image, "rb") as source, open(path, "r+b") as target:
            fcntl.ioctl(target, FICLONE, source.fileno())
            os.fsync(target)
        await self.measured.add(self.private.import_data_end(True))

    async def cycle(self):
        for volume in (self.private, self.root, self.volatile):
            await self.measured.add(volume.start())
        await self.stop()
        await self.measured.add(self.root.stop())
        await self.measured.add(self.volatile.stop())

    async def start_many(self, count):
        """All volumes of that many VMs at once, as qubesd does."""
        volumes = [volume for number in range(int(count))
                   for volume in self.disks(f"vm{number}", self.root.source)]
        await self.measured.add(asyncio.gather(*(volume.start() for volume in volumes)))

    async def run(self, operation, argument):
        simple = {
            "start": self.private.start,
            "revert": self.private.revert,
            "resize": lambda: self.private.resize(SIZE + 64 * MIB),
            "remove": self.private.remove,
            "start-snapshot": self.root.start,
            "stop-snapshot": self.root.stop,
            "start-volatile": self.volatile.start,
            "stop-volatile": self.volatile.stop,
        }
        own = {"stop": self.stop, "cycle": self.cycle}
        by_hand = {"discard": self.discard, "prune": self.prune}
        with_argument = {"import": self.import_image, "start-many": self.start_many}
        if operation in by_hand:
            await by_hand[operation]()
            return None
        if operation in own:
            await own[operation]()
        elif operation in with_argument:
            await with_argument[operation](argument)
        else:
            await self.measured.add(simple[operation]())
        return {"foreground": self.measured.sums, "total": self.measured.sums}


async def main(checkout, device, pool_path, operation, argument=None):
    peer = Peer(load_driver(checkout), device, pool_path)
    print(json.dumps(await peer.run(operation, argument)))


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
