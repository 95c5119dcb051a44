# SPDX-License-Identifier: LGPL-2.1-or-later
"""The volumes of the driver for the Qubes daemon."""
import asyncio
import contextlib
import errno
import inspect
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

import qubes.storage

from . import Volume
from ._driver_errors import DriverError, driver_error, translated
from .errors import ExistsError, InvalidError, NotFoundError, StorageError

if TYPE_CHECKING:
    from .qubes_driver import ReflinkPool


async def _settled(value: Any) -> Any:
    """The methods of other drivers may be coroutines, or not."""
    return await value if inspect.isawaitable(value) else value


class ReflinkVolume(qubes.storage.Volume):
    """A volume of the daemon, and that of the library behind it."""

    pool: "ReflinkPool"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._native: Optional[Volume] = None  # the base class sets the properties below
        super().__init__(*args, **kwargs)
        self._exports: List[Any] = []
        with translated():
            self._native = self._open()
        self.path = self._native.path
        self._path_clean = os.path.join(self.pool.dir_path, self.vid + ".img")

    def _open(self) -> Volume:
        return self.pool.native.volume(
            self.vid, size=self._size, rw=bool(self.rw), save_on_stop=bool(self.save_on_stop),
            snap_on_start=bool(self.snap_on_start),
            source=self.source.vid if self.source is not None else None,
            revisions_to_keep=self._native_keep(self.revisions_to_keep))

    @property
    def native(self) -> Volume:
        """That of the library."""
        assert self._native is not None
        return self._native

    # ---- Properties that the daemon sets as attributes ----------------------------------------

    @property
    def revisions_to_keep(self) -> int:
        """How many; -1 disables the snapshots of an origin."""
        return self._revisions_to_keep

    @revisions_to_keep.setter
    def revisions_to_keep(self, value: int) -> None:
        if self._native is not None:
            with translated():
                self._native.set_revisions_to_keep(self._native_keep(int(value)))
        self._revisions_to_keep = int(value)

    def _native_keep(self, value: int) -> int:
        # A pool's -1 reaches its other volumes, too. There it disables nothing: they keep what the
        # peer would keep at least.
        is_origin = self.save_on_stop and not self.snap_on_start
        return value if is_origin else max(value, 1 if value < 0 else 0)

    @property
    def rw(self) -> bool:
        """Whether the VM may write to it."""
        return self._rw

    @rw.setter
    def rw(self, value: bool) -> None:
        if self._native is not None:
            with translated():
                self._native.set_rw(bool(value))
        self._rw = value

    # ---- What it is now -----------------------------------------------------------------------

    def is_dirty(self) -> bool:
        """Whether there is a session of a saved volume."""
        with translated():
            return self.native.is_dirty()

    def is_outdated(self) -> bool:
        """Whether the source has been committed since this snapshot was started."""
        with translated():
            return self.native.is_outdated()

    @property
    def size(self) -> int:
        """Of the file, if there is one."""
        with translated():
            return self.native.size or 0

    @property
    def usage(self) -> int:
        """0 where there is no file: the daemon adds these up."""
        with translated():
            return self.native.usage or 0

    @property
    def revisions(self) -> Dict[str, str]:
        """The numbers, in order, to the times as the daemon has them: without the zone."""
        with translated():
            return {number: time.rstrip("Z") for number, time in self.native.revisions.items()}

    async def verify(self) -> bool:
        """True, or the exception."""
        try:
            await self.native.verify_async()
        except NotFoundError as error:
            raise DriverError(error.code, f"Missing image file for volume {self.vid}: {error}",
                              errno=errno.ENOENT, step=error.step, path=error.path) from error
        except StorageError as error:
            raise driver_error(error) from error
        return True

    # ---- Life ---------------------------------------------------------------------------------

    @qubes.storage.Volume.locked
    async def create(self) -> "ReflinkVolume":
        """Refuses where there is something of a saved volume that would be lost."""
        with translated():
            if not self.save_on_stop:
                await self._remove_leftovers()
            try:
                await self.native.create_async()
            except ExistsError:
                if not await self._is_blank():
                    raise
                # What a creation left that failed elsewhere: zeros, and no history.
                await self.native.remove_async()
                await self.native.create_async()
        return self

    async def _remove_leftovers(self) -> None:
        """What a machine of that name has left, whose volume may have been of another kind: it
        would bar each start. Not what somebody has open; the next start replaces it anyway."""
        if not (await self.native.info_async()).is_started:
            await self.native.remove_async()

    async def _is_blank(self) -> bool:
        info = await self.native.info_async()
        return (not info.is_started and info.usage == 0
                and not await self.native.list_revisions_async())

    @qubes.storage.Volume.locked
    async def remove(self) -> "ReflinkVolume":
        """Also succeeds where nothing is there."""
        self.pool.forget(self)
        for pin in self._exports:
            pin.close()
        self._exports.clear()
        with translated():
            await self._abandon_import()
            with contextlib.suppress(NotFoundError):
                await self.native.remove_async()
        return self

    @qubes.storage.Volume.locked
    async def start(self) -> "ReflinkVolume":
        """Afterwards `path` is there."""
        with translated(), self._hint_at_another_kind():
            await self.native.start_async()
        return self

    @contextlib.contextmanager
    def _hint_at_another_kind(self) -> Iterator[None]:
        """Of a volume that is not saved, but may hold the only copy of something."""
        try:
            yield
        except InvalidError as error:
            if self.save_on_stop:
                raise
            raise driver_error(
                error, f". To keep it, export it with \"qubes-storage export {self.pool.dir_path} "
                f"{self.vid} --to FILE\"; to give it up, remove it with \"qubes-storage remove "
                f"{self.pool.dir_path} {self.vid}\"; then start again") from error

    @qubes.storage.Volume.locked
    async def stop(self) -> "ReflinkVolume":
        """Commits, or throws away."""
        with translated(), self._hint_at_another_kind():
            info = await self.native.info_async()
            try:
                await self.native.stop_async()
            except NotFoundError:
                if info.is_started:
                    raise
                # A volume of which nothing is left has no session to end, as with the peer.
            is_volatile = not self.save_on_stop and not self.snap_on_start
            if is_volatile and info.is_started and info.size != info.nominal_size:
                # Somebody has resized the image by hand: it is to last, as with the peer.
                self._size = info.size or 0
                self._reopen()
        return self

    @qubes.storage.Volume.locked
    async def revert(self, revision: Optional[str] = None) -> "ReflinkVolume":
        """To the revision, or the newest."""
        with translated():
            await self.native.revert_async(revision)
        return self

    @qubes.storage.Volume.locked
    async def resize(self, size: int) -> "ReflinkVolume":
        """Also of a running volume, with its loop devices."""
        with translated():
            await self.native.resize_async(size, shrink=await self._may_shrink())
        self._size = int(size)
        return self

    async def _may_shrink(self) -> bool:
        """Whether nothing would be lost: there is no file, or the longer one becomes a revision."""
        info = await self.native.info_async()
        if info.is_started:
            return False
        return not self.save_on_stop or (self.pool.allow_shrink and self.revisions_to_keep >= 1)

    # ---- Import and export --------------------------------------------------------------------

    async def export(self) -> str:
        """The path of the committed state. Until `export_end` a descriptor holds it, so that no
        session with snapshots disabled begins to write to it."""
        self._require_saved("export")
        with translated():
            descriptor = await self.native.export_fd_async()
        self._exports.append(open(descriptor, "rb", buffering=0))  # closed with this object
        return self._path_clean

    async def export_end(self, path: str) -> None:
        """Ends one export."""
        if self._exports:
            self._exports.pop().close()

    @qubes.storage.Volume.locked
    async def import_data(self, size: int) -> str:
        """A path to write to. Replaces an import that was begun here and not ended, as the peer
        does: else one whose sender is gone would bar the volume until the daemon is restarted."""
        self._require_saved("import_data")
        with translated():
            await self._prepare_import()
            try:
                await self.native.import_begin_async(size)
            except asyncio.CancelledError:
                await self._surely_abandon_import()  # it may have come too far
                raise
        return self.native.import_path

    @qubes.storage.Volume.locked
    async def import_data_end(self, success: bool) -> "ReflinkVolume":
        """Commits it, or throws it away. Afterwards it has ended, also if that failed: as nobody
        tries again, it would bar the volume until the daemon is restarted."""
        with translated():
            try:
                await self.native.import_end_async(success)
            except NotFoundError:
                # None is held, or somebody has removed its file: nothing bars the volume. To give
                # up what is not there is no error, as with the peer.
                if success:
                    raise
            except (StorageError, asyncio.CancelledError):
                await self._surely_abandon_import()
                raise
        return self

    @qubes.storage.Volume.locked
    async def import_volume(self, src_volume: qubes.storage.Volume) -> "ReflinkVolume":
        """From a volume of any driver. Nothing to do where this one is not saved."""
        if not self.save_on_stop:
            return self
        with translated("read source"):
            if isinstance(src_volume, ReflinkVolume):
                src_volume._require_saved("export")
                await self._prepare_import()
                await self.native.import_volume_async(src_volume.native)
                return self
            path = await _settled(src_volume.export())
            try:
                await self._prepare_import()
                # To open a pipe may wait for who writes to it.
                loop = asyncio.get_running_loop()
                with await loop.run_in_executor(None, open, path, "rb", 0) as source:
                    await self.native.import_fd_async(source)
            finally:
                await _settled(src_volume.export_end(path))
        return self

    async def _prepare_import(self) -> None:
        await self._abandon_import()
        if (self.pool.commit_before_import and self.revisions_to_keep >= 1
                and self.is_dirty() and not self.is_running()):
            # A session that nobody has open becomes a revision instead of a reason to refuse.
            await self.native.stop_async()

    async def _abandon_import(self) -> None:
        if self.save_on_stop:
            with contextlib.suppress(NotFoundError):
                await self.native.import_end_async(False)

    async def _surely_abandon_import(self) -> None:
        """While something else is raised, which is what counts. A cancellation does not cut it
        off."""
        task = asyncio.ensure_future(self._abandon_import())
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if task.cancelled() or task.exception() is not None:
            self._reopen()  # The handle that holds the import goes, and the import with it.

    def _reopen(self) -> None:
        self.native.close()
        self._native = self._open()

    def _require_saved(self, what: str) -> None:
        if not self.save_on_stop:
            raise NotImplementedError(f"Cannot {what}: {self.vid} is not save_on_stop")
