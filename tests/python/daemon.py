# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Qubes daemon, as far as its storage drivers see it: how it calls them, what it expects."""
import asyncio
import inspect
import os
import types

from qubes.storage import StoragePoolException
from place import MIB, claim, raises
from qubesstorage.qubes_driver import DriverError, ReflinkPool


def wait(coroutine):
    claim(inspect.iscoroutine(coroutine), f"{coroutine!r} is no coroutine")
    return asyncio.run(coroutine)


def fails(coroutine, *words):
    return fails_at_once(lambda: wait(coroutine), *words)


def fails_at_once(call, *words):
    """As the daemon expects it: its own exception, which is an OSError, too."""
    error = raises(DriverError, call)
    claim(isinstance(error, StoragePoolException) and isinstance(error, OSError), repr(error))
    for word in words:
        claim(word in str(error), f"{word!r} is not in {error}")
    return error


class Daemon:
    """A pool as the daemon has it, and the four volumes of a VM with a template."""

    def __init__(self, place, name="pool", root=None, **config):
        self.dir_path = os.path.join(root or place.root, "daemon-" + name)
        self.pool = ReflinkPool(name=name, dir_path=self.dir_path, **config)
        wait(self.pool.setup())
        self.template = self.volume("debian", "root", "vm-templates", save_on_stop=True)
        self.origin = self.volume("work", "private", save_on_stop=True)
        self.snapshot = self.volume("work", "root", snap_on_start=True, source=self.template)
        self.volatile = self.volume("work", "volatile")
        self.both = self.volume("work", "both", save_on_stop=True, snap_on_start=True,
                                source=self.template)

    def volume(self, vm, name, prefix="appvms", **config):
        owner = types.SimpleNamespace(name=vm, dir_path_prefix=prefix)
        config = {"name": name, "rw": True, "size": 16 * MIB, **config}
        return self.pool.init_volume(owner, config)

    def path(self, suffix, vid="appvms/work/private"):
        return os.path.join(self.dir_path, vid + suffix)

    def names(self):
        """Without what is made ahead in the background."""
        wait(self.pool.native.drain_async())
        return sorted(os.path.relpath(os.path.join(directory, name), self.dir_path)
                      for directory, _, names in os.walk(self.dir_path) for name in names
                      if not name.endswith("-precache.img"))

    @property
    def machine(self):
        """The volumes of one VM."""
        return [self.origin, self.snapshot, self.volatile, self.both]

    def created(self):
        for volume in (self.template, *self.machine):
            claim(wait(volume.create()) is volume, "create returns the volume")
        return self


def write(volume, data):
    with open(volume.path, "r+b") as file:
        file.write(data)


def session(volume, data):
    claim(wait(volume.start()) is volume, "start returns the volume")
    write(volume, data)
    claim(wait(volume.stop()) is volume, "stop returns the volume")


def content(path, length=5):
    with open(path, "rb") as file:
        return file.read(length)
