# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the Python package stand on: a pool on a real filesystem, both ways to call."""
import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

import qubesstorage
from harness import MIB, PRIVATE, SLOWNESS, TEMPLATE, claim, equal

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))

__all__ = ["CHECKOUT", "HERE", "MIB", "PATIENCE", "PRIVATE", "Place", "SLOWNESS", "TEMPLATE",
           "call_async", "call_sync", "cancel_after", "claim", "descriptors", "equal",
           "is_no_more_than", "raises", "rest_of", "run_python", "settled", "threads"]

ROOT = "appvms/work/root"
PATIENCE = min(SLOWNESS, 5)  # for what is given a long time anyway
CALLED = set()  # the names of the methods that a test has called, by either caller


def _note(target, name):
    owner = "" if target is qubesstorage else type(target).__name__ + "."
    CALLED.add(owner + name)


def call_sync(target, name, *arguments, **options):
    _note(target, name)
    return getattr(target, name)(*arguments, **options)


def call_async(target, name, *arguments, **options):
    _note(target, name + "_async")
    return asyncio.run(getattr(target, name + "_async")(*arguments, **options))


def raises(kind, function, *arguments, **options):
    """It must raise exactly that. Returns the error."""
    try:
        result = function(*arguments, **options)
    except BaseException as error:  # pylint: disable=broad-except
        claim(type(error) is kind, f"raised {error!r}, not {kind.__name__}")
        return error
    claim(False, f"returned {result!r} instead of raising {kind.__name__}")
    return None


def descriptors():
    """What is open: number to target. Without the one that lists them."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass
    return found


def threads():
    return len(os.listdir("/proc/self/task"))


def rest_of(condition, value, seconds=10 * PATIENCE):
    """What `condition` gives, once it gives `value` or the time is over: a thread that has answered
    takes a moment to drop what it has, and the kernel another to remove it."""
    for _ in range(int(seconds / 0.01)):
        if condition() == value:
            break
        time.sleep(0.01)
    return condition()


def settled(condition):
    """What `condition` gives when nothing is on its way out any more: twice the same."""
    gc.collect()  # what earlier tests have left to it: a volume may hang on an error of theirs
    found = condition()
    for _ in range(200):
        time.sleep(0.03)
        before, found = found, condition()
        if found == before:
            break
    return found


def is_no_more_than(condition, number, what):
    """Of something that ends by itself: in the end there is no more of it than that."""
    gc.collect()
    claim(rest_of(lambda: condition() <= number, True),
          f"{what}: found {condition()}, wanted at most {number}")


@contextlib.contextmanager
def locked(directory):
    """As another process that works on a volume there: an operation begins, and waits."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def cancel_after(coroutine, seconds, directory=None, times=1):
    """Whether it was cancelled, by as many cancellations after that time, or was done before. With
    a directory that is locked meanwhile it cannot have done anything."""
    with locked(directory) if directory else contextlib.nullcontext():
        task = asyncio.ensure_future(coroutine)
        await asyncio.wait([task], timeout=seconds)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01 if directory else 0)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


def run_python(script, *arguments, timeout=120 * PATIENCE, python=sys.executable, **options):
    """Another process of this interpreter, or of another, with the same package."""
    return subprocess.run([python, "-B", "-c", textwrap.dedent(script), *arguments],
                          timeout=timeout, check=False, capture_output=True, text=True, **options)


class Place:
    """An empty directory on a filesystem, with a pool that has been set up."""

    def __init__(self, mount, **options):
        self.mount = mount
        self.root = tempfile.mkdtemp(prefix="place-", dir=mount.path)
        self.dir_path = os.path.join(self.root, "pool")
        self.pool = qubesstorage.Pool(self.dir_path, **options)
        self.pool.setup()

    def close(self):
        self.pool.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def origin(self, vid=PRIVATE, size=64 * MIB, create=True, pool=None, **options):
        """A saved volume, which starts from its own state."""
        options.setdefault("rw", True)
        volume = (pool or self.pool).volume(vid, size=size, save_on_stop=True, **options)
        if create:
            volume.create()
        return volume

    def snapshot(self, vid=ROOT, source=TEMPLATE, **options):
        return self.pool.volume(vid, rw=True, snap_on_start=True, source=source, **options)

    def path(self, suffix, vid=PRIVATE):
        return os.path.join(self.dir_path, vid + suffix)

    @staticmethod
    def write(volume, data, offset=MIB):
        """As a VM does: in place."""
        with open(volume.path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def committed(self, length, vid=PRIVATE, offset=MIB):
        with open(self.path(".img", vid), "rb") as file:
            file.seek(offset)
            return file.read(length)

    def session(self, volume, data):
        volume.start()
        self.write(volume, data)
        volume.stop()

    def image(self, name, size=8 * MIB, data=b"image", offset=MIB):
        path = os.path.join(self.root, name)
        with open(path, "wb") as file:
            file.truncate(size)
            file.seek(offset)
            file.write(data)
        return path
