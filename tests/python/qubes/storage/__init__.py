# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base classes of the daemon's storage drivers: their arguments, attributes and defaults."""
import asyncio
import functools
import inspect
import os
import subprocess
from typing import Any, Awaitable, Callable, Dict, List, Optional, TypeVar, cast

from qubes.exc import QubesValueError, StoragePoolException

__all__ = ["BlockDevice", "ENCRYPTION", "Pool", "StoragePoolException", "VOLUME_STATE_DIR",
           "Volume"]

VOLUME_STATE_DIR = "/var/run/qubes/"

Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


class Encryption:
    """Stands in for cryptsetup: a loop device on the file, as there is one below dm-crypt, too. The
    first blocks of the device are cleared."""

    def __init__(self) -> None:
        self.devices: Dict[str, str] = {}

    def open(self, path: str, name: str) -> None:
        """What is written to the device comes into the file."""
        if name in self.devices:
            self.close(name)
        self.devices[name] = subprocess.run(
            ["losetup", "--find", "--show", path], check=True, stdout=subprocess.PIPE,
            universal_newlines=True).stdout.strip()
        with open(self.devices[name], "r+b") as device:
            device.write(bytes(65536))

    def close(self, name: str) -> None:
        """Nothing to do where it is closed."""
        if name in self.devices:
            subprocess.run(["losetup", "--detach", self.devices.pop(name)], check=True)


ENCRYPTION = Encryption()


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class BlockDevice:
    """What libvirt is told of a disk."""

    def __init__(self, path: Optional[str], name: str, script: None = None, rw: bool = True,
                 domain: Any = None, devtype: str = "disk") -> None:
        assert name and path
        assert script is None
        self.path, self.name, self.rw = path, name, rw
        self.domain, self.devtype = domain, devtype


class Pool:
    """A pool; equal to one of the same name, and to that name."""

    def __init__(self, *, name: str, revisions_to_keep: int = 1,
                 ephemeral_volatile: Any = False) -> None:
        self.name = name
        self.revisions_to_keep = revisions_to_keep
        self.ephemeral_volatile = str(ephemeral_volatile).lower() in ("true", "yes", "on", "1")

    def __eq__(self, other: object) -> bool:
        return self.name == (other.name if isinstance(other, Pool) else other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def list_volumes(self) -> List["Volume"]:
        """Volumes of the pool."""
        raise NotImplementedError

    @property
    def volumes(self) -> List["Volume"]:
        """The same; what the Admin API goes through."""
        return self.list_volumes()

    def get_volume(self, vid: str) -> "Volume":
        """KeyError if there is none."""
        raise NotImplementedError


class Volume:
    """A volume; drivers override what they can do."""

    devtype = "disk"
    domain: Any = None
    path: Optional[str] = None
    pool: Pool
    revisions_to_keep: int
    rw: bool

    def __init__(self, name: str, pool: Pool, vid: str, *, revisions_to_keep: int = 0,
                 rw: bool = False, save_on_stop: bool = False, size: int = 0,
                 snap_on_start: bool = False, source: Optional["Volume"] = None,
                 ephemeral: Optional[bool] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        assert isinstance(pool, Pool)
        assert source is None or (isinstance(source, Volume) and source.pool == pool)
        if snap_on_start != (source is not None):
            raise StoragePoolException(f"{name}: snap_on_start and source go together")
        self.name = str(name)
        self.pool = pool
        self.revisions_to_keep = int(revisions_to_keep)
        self.rw = rw
        self.save_on_stop = save_on_stop
        self._size = int(size)
        self._ephemeral = ephemeral
        self.snap_on_start = snap_on_start
        self.source = source
        self.vid = vid
        # Made in the loop: that of Python 3.9 wants one. The tests have many, the daemon has one.
        self._lock: Optional[asyncio.Lock] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Volume):
            return NotImplemented
        return (self.pool, self.vid) == (other.pool, other.vid)

    def __hash__(self) -> int:
        return hash((self.pool, self.vid))

    def __str__(self) -> str:
        return self.vid

    def __repr__(self) -> str:
        return repr(f"{self.pool}:{self.vid}")

    @staticmethod
    def locked(method: Method) -> Method:
        """A coroutine under the lock of the object."""

        @functools.wraps(method)
        async def wrapper(self: "Volume", *args: Any, **kwargs: Any) -> Any:
            if self._lock is None or self._loop is not asyncio.get_running_loop():
                self._lock, self._loop = asyncio.Lock(), asyncio.get_running_loop()
            async with self._lock:
                return await method(self, *args, **kwargs)

        return cast(Method, wrapper)

    def _is_volatile_rw(self) -> bool:
        return not (self.snap_on_start or self.save_on_stop or self.domain) and self.rw

    @property
    def ephemeral(self) -> bool:
        """Whether it is encrypted with a key that is thrown away."""
        if self._ephemeral is not None:
            return self._ephemeral
        return self._is_volatile_rw() and self.pool.ephemeral_volatile

    @ephemeral.setter
    def ephemeral(self, value: bool) -> None:
        if value and not self._is_volatile_rw():
            raise QubesValueError("Cannot enable ephemeral")
        self._ephemeral = bool(value)

    def encrypted_volume_path(self, qube_name: str, device_name: str) -> str:
        """The device that the VM gets of an ephemeral volume."""
        name = qube_name.replace("_", "_u").replace("-", "_d")
        return f"/dev/mapper/vm-volatile-{name}-crypt@{device_name}"

    async def start_encrypted(self, name: str) -> None:
        """Starts it, and puts dm-crypt with a key of the moment over the file (ENCRYPTION)."""
        assert name.startswith("/dev/mapper/")
        await _settled(self.start())
        ENCRYPTION.open(self.block_device().path, name)

    async def stop_encrypted(self, name: str) -> None:
        """Takes that away, and stops it."""
        ENCRYPTION.close(name)
        await _settled(self.stop())

    def start(self) -> Any:
        """May be a coroutine."""
        raise NotImplementedError

    def stop(self) -> Any:
        """May be a coroutine."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def export(self) -> Any:
        """A path to read from; may be a coroutine."""
        raise NotImplementedError

    def export_end(self, path: str) -> Any:
        """May be a coroutine."""

    def block_device(self) -> BlockDevice:
        """For libvirt."""
        return BlockDevice(self.path, self.name, None, self.rw, self.domain, self.devtype)

    @property
    def config(self) -> Dict[str, Any]:
        """For qubes.xml."""
        result: Dict[str, Any] = {
            "name": self.name, "pool": str(self.pool), "vid": self.vid,
            "revisions_to_keep": self.revisions_to_keep, "rw": self.rw,
            "save_on_stop": self.save_on_stop, "snap_on_start": self.snap_on_start}
        if self._ephemeral is not None:
            result["ephemeral"] = self.ephemeral
        if self.size:
            result["size"] = self.size
        if self.source:
            result["source"] = self.source.vid
        return result

    @property
    def snapshots_disabled(self) -> bool:
        """-1, and an origin."""
        return self.revisions_to_keep == -1 and self.save_on_stop and not self.snap_on_start

    @property
    def state_file(self) -> str:
        """There while the volume runs: '-' is doubled, '/' becomes '-' (docs/PEER.md §1)."""
        name = f"{self.pool.name}:{self.vid}".replace("-", "--").replace("/", "-")
        return os.path.join(VOLUME_STATE_DIR, "volume-running-" + name)

    def is_running(self) -> bool:
        """Whether the daemon has started it."""
        return os.path.exists(self.state_file)
