# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools."""
import ctypes
import os
from types import TracebackType
from typing import Any, List, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _call
from . import _declarations as c
from ._call import Job
from ._ffi import Path, check, function, int32, number, size, string, text
from ._handle import Handle
from .errors import invalid
from .info import KINDS, Finding, PoolInfo
from .volume import Volume

Candidate = TypeVar("Candidate", bound=Union[Path, "Pool"])
Self = TypeVar("Self", bound="Pool")

KEEP_MAX = 2**31 - 1


class Pool:
    """A directory with volumes. Opening it does not touch the disk.

    `kind` is "reflink", or "kernels": read-only, of `KERNEL/modules.img`. Volumes that do not say
    themselves keep `revisions_to_keep` revisions; `setup_check` is whether `setup` refuses a
    filesystem without reflinks; `precache` whether a clone is made ahead for the next start;
    `prefixes` are allowed in vids beside `appvms` and `vm-templates`.

    The last close of the pool and its volumes waits for work in the background; in an event loop
    use `async with`, or `close_async`, after the volumes were closed."""

    def __init__(self, dir_path: Path, *, name: Optional[str] = None, revisions_to_keep: int = 1,
                 setup_check: bool = True, kind: str = "reflink", precache: bool = True,
                 prefixes: Sequence[str] = ()) -> None:
        if kind not in KINDS:
            raise invalid("kind", f"it is none of {', '.join(KINDS)}")
        path = string(dir_path, "dir_path")
        path = path and os.path.join(os.getcwdb(), path)
        config = c.PoolConfig()
        check("pool_config_new", path, ctypes.byref(config))
        try:
            if name is not None:
                check("pool_config_set_name", config, string(name, "name"))
            check("pool_config_set_kind", config, KINDS.index(kind))
            check("pool_config_set_revisions_to_keep", config,
                  int32(revisions_to_keep, "revisions_to_keep"))
            check("pool_config_set_setup_check", config, int(bool(setup_check)))
            check("pool_config_set_precache", config, int(bool(precache)))
            for prefix in prefixes:
                check("pool_config_add_prefix", config, string(prefix, "prefix"))
            raw = c.Pool()
            check("pool_open", config, ctypes.byref(raw))
        finally:
            function("pool_config_unref")(config)
        self._handle = Handle("pool", raw, "pool")
        self._dir_path = text(path)

    @property
    def dir_path(self) -> str:
        """The directory, absolute."""
        return self._dir_path

    def __repr__(self) -> str:
        state = "closed " if self._handle.is_closed else ""
        return f"<{state}Pool {self._dir_path!r}>"

    # ---- Verbs --------------------------------------------------------------------------------

    def setup(self) -> None:
        """Makes the directory, one level deep, and those of the prefixes."""
        with self._handle as raw:
            check("pool_setup", raw)

    async def setup_async(self) -> None:
        """See `setup`."""
        await _call.run(self._job("pool_setup"))

    def info(self) -> PoolInfo:
        """What is known of the pool now; an absent directory is no error."""
        with self._handle as raw:
            return _call.ask(_call.POOL_INFO, "pool_get_info", raw)

    async def info_async(self) -> PoolInfo:
        """See `info`."""
        return await _call.fetch(self._job("pool_get_info"), _call.POOL_INFO)

    def volumes(self) -> List[str]:
        """The vids of all volumes that have an image, a session or a revision, sorted."""
        with self._handle as raw:
            return _call.ask(_call.VOLUMES, "pool_list", raw)

    async def volumes_async(self) -> List[str]:
        """See `volumes`."""
        return await _call.fetch(self._job("pool_list"), _call.VOLUMES)

    def recover(self) -> List[Finding]:
        """Clears what crashes left, and reports it. Sessions are reported and left alone."""
        with self._handle as raw:
            return _call.ask(_call.REPORT, "pool_recover", raw)

    async def recover_async(self) -> List[Finding]:
        """See `recover`."""
        return await _call.fetch(self._job("pool_recover"), _call.REPORT)

    def drain(self) -> None:
        """Waits until the work in the background has been done."""
        with self._handle as raw:
            check("pool_drain", raw)

    async def drain_async(self) -> None:
        """See `drain`."""
        await _call.run(self._job("pool_drain"))

    def included_in(self, candidates: Sequence[Candidate]) -> Optional[Candidate]:
        """Which of the places contains this pool, so that its space is not counted twice: the
        deepest directory that encloses it, else the LVM thin pool under its device. A candidate is
        an absolute path, "VG/POOL", or another Pool."""
        with self._handle as raw:
            index = _call.ask(_call.INDEX, "pool_included_in", raw, *_strings(candidates))
        return None if index < 0 else candidates[index]

    async def included_in_async(self, candidates: Sequence[Candidate]) -> Optional[Candidate]:
        """See `included_in`."""
        index = await _call.fetch(self._job("pool_included_in", *_strings(candidates)),
                                  _call.INDEX)
        return None if index < 0 else candidates[index]

    def volume(self, vid: str, *, size: int = 0,  # pylint: disable=redefined-outer-name
               rw: bool = False, save_on_stop: bool = False, snap_on_start: bool = False,
               source: Union[str, Volume, None] = None, revisions_to_keep: Optional[int] = None,
               ephemeral: Optional[bool] = None) -> Volume:
        """A volume, there or not: the disk is not touched. `save_on_stop` and `snap_on_start` say
        what a session does, `source` (a vid, or a volume of this pool) what it starts from,
        `revisions_to_keep` how many earlier states are kept: that of the pool, or 0 or more, or -1
        to disable snapshots. `ephemeral` is a mark of the caller's for a volatile volume."""
        options = {"size": size, "rw": rw, "save_on_stop": save_on_stop,
                   "snap_on_start": snap_on_start, "revisions_to_keep": revisions_to_keep,
                   "ephemeral": ephemeral, "source": self._source_vid(source)}
        config = _volume_config(options)
        try:
            made = c.Volume()
            with self._handle as raw:
                check("pool_volume", raw, string(vid, "vid"), config, ctypes.byref(made))
        finally:
            function("volume_config_unref")(config)
        return Volume(self, made)

    # ---- The end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the use of this object. If no volume is open any more, waits for work in the
        background. May be called again, and does nothing in a forked child."""
        self._handle.close()

    async def close_async(self) -> None:
        """Waits for work in the background first, without blocking the event loop."""
        if not self._handle.is_closed:
            await self.drain_async()
        self.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]],
                        error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.close_async()

    def _source_vid(self, source: Union[str, Volume, None]) -> Optional[str]:
        if not isinstance(source, Volume):
            return source
        if source.pool is not self:
            raise invalid("source", "it is a volume of another pool")
        return source.vid

    def _job(self, name: str, *arguments: Any) -> Job:
        with self._handle as raw:
            return Job(name, raw, *arguments)


def _strings(candidates: Sequence[Union[Path, Pool]]) -> Tuple[Any, int]:
    """As the C API has them. The array keeps the bytes for the call."""
    paths = [string(entry.dir_path if isinstance(entry, Pool) else entry, "candidates")
             for entry in candidates]
    return (ctypes.c_char_p * len(paths))(*paths), len(paths)


def _volume_config(options: Any) -> Any:
    """A configuration with those of the options that say something, for unref."""
    config = c.VolumeConfig()
    check("volume_config_new", ctypes.byref(config))
    try:
        for name, value in options.items():
            if value is None:
                continue
            if name == "size":
                value = size(value)
            elif name == "source":
                value = string(value, name)
            elif name == "revisions_to_keep":
                value = number(value, name, -1, KEEP_MAX)
            else:
                value = int(bool(value))
            check("volume_config_set_" + name, config, value)
    except BaseException:
        function("volume_config_unref")(config)
        raise
    return config


