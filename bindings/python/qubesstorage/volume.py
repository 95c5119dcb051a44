# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes."""
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Protocol, Type, TypeVar, Union

from . import _call
from ._call import Job, Progress
from ._ffi import check, function, int32, number, size, size_or_unknown, text
from ._handle import Handle
from .errors import invalid
from .info import Revision, VolumeInfo

if TYPE_CHECKING:
    from .pool import Pool

Self = TypeVar("Self", bound="Volume")

RESIZE_SHRINK = 1
NUMBER_MAX = 2**64 - 1
FD_MAX = 2**31 - 1


class HasFileno(Protocol):
    """An open file, a socket, a pipe."""

    def fileno(self) -> int:
        """Its descriptor."""


Descriptor = Union[int, HasFileno]


class Volume:
    """One disk of a pool, made by `Pool.volume`. It keeps its pool open.

    Each verb that works on the disk has a twin `..._async`, a coroutine that waits in the running
    event loop. To cancel its task cancels the operation: the exception goes on when the operation
    has ended, undone or, if it had come too far, done."""

    def __init__(self, pool: "Pool", raw: Any) -> None:
        self._pool = pool
        self._vid = text(function("volume_vid")(raw))
        self._path = text(function("volume_path")(raw))
        self._import_path = text(function("volume_import_path")(raw))
        self._handle = Handle("volume", raw, f"volume {self._vid}")

    @property
    def pool(self) -> "Pool":
        """The pool that made it."""
        return self._pool

    @property
    def vid(self) -> str:
        """Its name, `PREFIX/VM/NAME`."""
        return self._vid

    @property
    def path(self) -> str:
        """The file that the virtual machine gets, there now or not."""
        return self._path

    @property
    def import_path(self) -> str:
        """The file that `import_begin` makes for others to fill."""
        return self._import_path

    def __repr__(self) -> str:
        state = "closed " if self._handle.is_closed else ""
        return f"<{state}Volume {self._vid!r} in {self._pool.dir_path!r}>"

    # ---- Life ---------------------------------------------------------------------------------

    def create(self) -> None:
        """Makes the volume: where it is saved and starts from itself, an empty image."""
        self._do("create", 0)

    async def create_async(self) -> None:
        """See `create`."""
        await self._do_async("create", 0)

    def verify(self) -> None:
        """Raises NotFoundError if the volume could not be started."""
        self._do("verify")

    async def verify_async(self) -> None:
        """See `verify`."""
        await self._do_async("verify")

    def remove(self) -> None:
        """Removes the image, the session and all revisions."""
        self._do("remove", 0)

    async def remove_async(self) -> None:
        """See `remove`."""
        await self._do_async("remove", 0)

    def start(self) -> None:
        """Begins a session, or resumes that of a saved volume. Then the file `path` is there."""
        self._do("start", 0)

    async def start_async(self) -> None:
        """See `start`."""
        await self._do_async("start", 0)

    def stop(self) -> None:
        """Ends the session: commits it, or throws it away where the volume is not saved."""
        self._do("stop", 0)

    async def stop_async(self) -> None:
        """See `stop`."""
        await self._do_async("stop", 0)

    def discard(self) -> None:
        """Ends the session without committing it."""
        self._do("discard", 0)

    async def discard_async(self) -> None:
        """See `discard`."""
        await self._do_async("discard", 0)

    def revert(self, revision: Union[int, str, None] = None) -> None:
        """Makes a revision the committed state: that of this number, or the newest that differs
        from it. The state before is kept as a new revision."""
        self._do("revert", _revision(revision), 0)

    async def revert_async(self, revision: Union[int, str, None] = None) -> None:
        """See `revert`."""
        await self._do_async("revert", _revision(revision), 0)

    # The rest of the class calls a size `size`, as the callers do.
    # pylint: disable=redefined-outer-name

    def resize(self, size: int, *, shrink: bool = False) -> None:
        """Changes the size, and that of the loop devices on the session's file. To make it smaller
        cuts off the end and must be allowed by `shrink`."""
        self._do("resize", _size(size), RESIZE_SHRINK if shrink else 0)

    async def resize_async(self, size: int, *, shrink: bool = False) -> None:
        """See `resize`."""
        await self._do_async("resize", _size(size), RESIZE_SHRINK if shrink else 0)

    # ---- Import and export --------------------------------------------------------------------

    def import_begin(self, size: int) -> None:
        """Makes an empty file of that size at `import_path`, for anybody to fill. This object holds
        the import until `import_end` or `close`."""
        self._do("import_begin", _size(size), 0)

    async def import_begin_async(self, size: int) -> None:
        """See `import_begin`."""
        await self._do_async("import_begin", _size(size), 0)

    def import_end(self, success: bool = True) -> None:
        """Commits the import that this object holds, or throws it away."""
        self._do("import_end", int(bool(success)), 0)

    async def import_end_async(self, success: bool = True) -> None:
        """See `import_end`."""
        await self._do_async("import_end", int(bool(success)), 0)

    def import_volume(self, source: "Volume", *, progress: Optional[Progress] = None) -> None:
        """Imports the committed state of another volume, of any pool: by reflink, or a sparse copy.
        `progress(done, total)`, in bytes, is called now and then, `total` is None while it is not
        known; an exception from it ends the copy, of which nothing is left then."""
        _call.finish(self._import_volume_job(source), progress)

    async def import_volume_async(self, source: "Volume", *,
                                  progress: Optional[Progress] = None) -> None:
        """See `import_volume`."""
        await _call.run(self._import_volume_job(source), progress)

    def import_fd(self, fd: Descriptor, *, size: Optional[int] = None,
                  progress: Optional[Progress] = None) -> None:
        """Imports from a descriptor: a regular file whole, anything else to its end. `size` is what
        the data must come to. For `progress` see `import_volume`."""
        _call.finish(self._import_fd_job(fd, size), progress)

    async def import_fd_async(self, fd: Descriptor, *, size: Optional[int] = None,
                              progress: Optional[Progress] = None) -> None:
        """See `import_fd`."""
        await _call.run(self._import_fd_job(fd, size), progress)

    def export_fd(self) -> int:
        """A descriptor of the committed state, to read from and to be closed by the caller. What is
        committed later does not change what it reads."""
        with self._handle as raw:
            return _call.ask(_call.FD, "volume_export_fd", raw, 0)

    async def export_fd_async(self) -> int:
        """See `export_fd`."""
        return await _call.fetch(self._job("export_fd", 0), _call.FD)

    def export_to(self, fd: Descriptor, *, progress: Optional[Progress] = None) -> None:
        """Writes the committed state to a descriptor. For `progress` see `import_volume`."""
        _call.finish(self._job("export_to", _fd(fd), 0), progress)

    async def export_to_async(self, fd: Descriptor, *,
                              progress: Optional[Progress] = None) -> None:
        """See `export_to`."""
        await _call.run(self._job("export_to", _fd(fd), 0), progress)

    # ---- Properties ---------------------------------------------------------------------------

    def prune(self, keep: int) -> None:
        """Removes the oldest revisions until `keep` are left."""
        self._do("prune", int32(keep, "keep"), 0)

    async def prune_async(self, keep: int) -> None:
        """See `prune`."""
        await self._do_async("prune", int32(keep, "keep"), 0)

    def info(self) -> VolumeInfo:
        """What is known of the volume now. Waits for no operation."""
        with self._handle as raw:
            return _call.ask(_call.VOLUME_INFO, "volume_get_info", raw)

    async def info_async(self) -> VolumeInfo:
        """See `info`."""
        return await _call.fetch(self._job("get_info"), _call.VOLUME_INFO)

    def list_revisions(self) -> List[Revision]:
        """The revisions, oldest number first. Waits for no operation."""
        with self._handle as raw:
            return _call.ask(_call.REVISIONS, "volume_get_revisions", raw)

    async def list_revisions_async(self) -> List[Revision]:
        """See `list_revisions`."""
        return await _call.fetch(self._job("get_revisions"), _call.REVISIONS)

    @property
    def revisions(self) -> Dict[str, str]:
        """The revisions: the number to the time, `2026-01-31T12:00:00Z`, oldest number first."""
        return {str(revision.number): revision.created_iso for revision in self.list_revisions()}

    @property
    def size(self) -> Optional[int]:
        """In bytes: of the session's file, else of the committed state, else nominal."""
        return self.info().size

    @property
    def usage(self) -> Optional[int]:
        """What is allocated to the same file, in bytes; None where there is none."""
        return self.info().usage

    def is_dirty(self) -> bool:
        """Whether there is a session that was not committed, of a volume that is saved."""
        return self.info().is_dirty

    def is_outdated(self) -> bool:
        """Whether the source of a started snapshot has been committed anew since."""
        return self.info().is_outdated

    def set_rw(self, rw: bool) -> None:
        """Whether it may be resized, and is writable for the virtual machine."""
        self._do("set_rw", int(bool(rw)))

    def set_revisions_to_keep(self, keep: int) -> None:
        """How many earlier states to keep; -1 disables snapshots (without a session only)."""
        self._do("set_revisions_to_keep", int32(keep, "revisions_to_keep"))

    async def set_revisions_to_keep_async(self, keep: int) -> None:
        """See `set_revisions_to_keep`."""
        await self._do_async("set_revisions_to_keep", int32(keep, "revisions_to_keep"))

    # ---- The end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the use of this object, and gives up an import that it holds. May be called again,
        and does nothing in a forked child."""
        self._handle.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def _do(self, verb: str, *arguments: Any) -> None:
        with self._handle as raw:
            check("volume_" + verb, raw, *arguments)

    def _job(self, verb: str, *arguments: Any) -> Job:
        with self._handle as raw:
            return Job("volume_" + verb, raw, *arguments)

    async def _do_async(self, verb: str, *arguments: Any) -> None:
        await _call.run(self._job(verb, *arguments))

    def _import_volume_job(self, source: "Volume") -> Job:
        with source._handle as raw:  # pylint: disable=protected-access
            return self._job("import_volume", raw, 0)

    def _import_fd_job(self, fd: Descriptor, size: Optional[int]) -> Job:
        return self._job("import_fd", _fd(fd), size_or_unknown(size), 0)


_size = size


def _fd(value: Descriptor) -> int:
    return number(value if isinstance(value, int) else value.fileno(), "fd", -1, FD_MAX)


def _revision(value: Union[int, str, None]) -> int:
    """Its number; a string is a key of `revisions`."""
    if value is None:
        return 0
    if isinstance(value, str):
        # As in the names of the files: int() would take "+1", " 1" and other digits as well.
        if not (value.isascii() and value.isdigit() and not value.startswith("0")):
            raise invalid("revision", f"{value!r} is no number of a revision")
        value = int(value)
    return number(value, "revision", 1, NUMBER_MAX)
