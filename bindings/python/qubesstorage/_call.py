# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calling the library: at once, or as a job that an event loop waits for."""
import asyncio
import ctypes
import select
from dataclasses import dataclass
from typing import Any, Callable, Generic, List, Optional, TypeVar

from . import _declarations as c
from . import info
from ._ffi import check, function, known
from ._handle import Handle

T = TypeVar("T")
Progress = Callable[[int, Optional[int]], object]

PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class Output(Generic[T]):
    """What an operation gives: the variable for it, who has it of a job, what is made of it."""

    variable: Any
    getter: str
    read: Callable[[Any], T]


def _snapshot(kind: Any, name: str, read: Callable[[Any], T]) -> Output[T]:
    def read_and_drop(raw: Any) -> T:
        try:
            return read(raw)
        finally:
            function(name + "_unref")(raw)

    return Output(kind, "job_get_" + name, read_and_drop)


POOL_INFO: Output[info.PoolInfo] = _snapshot(c.PoolInfo, "pool_info", info.read_pool_info)
VOLUMES: Output[List[str]] = _snapshot(c.Volumes, "volumes", info.read_volumes)
REPORT: Output[List[info.Finding]] = _snapshot(c.Report, "report", info.read_report)
VOLUME_INFO: Output[info.VolumeInfo] = _snapshot(
    c.VolumeInfo, "volume_info", info.read_volume_info)
REVISIONS: Output[List[info.Revision]] = _snapshot(c.Revisions, "revisions", info.read_revisions)
INDEX: Output[int] = Output(ctypes.c_int64, "job_get_index", lambda raw: int(raw.value))
FD: Output[int] = Output(ctypes.c_int, "job_get_fd", lambda raw: int(raw.value))
REFLINKED: Output[bool] = Output(ctypes.c_int32, "job_get_reflinked", lambda raw: bool(raw.value))
SUPPORTED: Output[bool] = Output(ctypes.c_int32, "job_get_supported", lambda raw: bool(raw.value))


def ask(output: Output[T], name: str, *arguments: Any) -> T:
    """Calls a function with an output before its last argument."""
    variable = output.variable()
    check(name, *arguments, ctypes.byref(variable))
    return output.read(variable)


class Job:
    """An operation under way in the library. Dropping it does not end it."""

    def __init__(self, name: str, *arguments: Any) -> None:
        raw = c.Job()
        check(name + "_async", *arguments, ctypes.byref(raw))
        self._handle = Handle("job", raw, f"job {name}")
        self._fd = int(function("job_fd")(raw))

    def cancel(self) -> None:
        """Asks it to end; it may have come too far for that."""
        with self._handle as raw:
            check("job_cancel", raw)

    def check(self) -> None:
        """Raises what a finished job failed with."""
        with self._handle as raw:
            check("job_result", raw)

    def result(self, output: Output[T]) -> T:
        """The output of a finished job; raises what it failed with."""
        with self._handle as raw:
            return ask(output, output.getter, raw)

    def close(self) -> None:
        """Drops it."""
        self._handle.close()

    def tell(self, progress: Progress) -> None:
        """Tells how far it is, where anything has been moved yet."""
        done, total = ctypes.c_uint64(), ctypes.c_uint64()
        with self._handle as raw:
            check("job_progress", raw, ctypes.byref(done), ctypes.byref(total))
        if done.value or known(total.value) is not None:
            progress(done.value, known(total.value))

    def wait(self, progress: Optional[Progress] = None) -> None:
        """Until it has ended. An exception meanwhile, that of `progress` or of a signal's handler,
        cancels it, and goes on when it has ended."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        try:
            while not poll.poll(None if progress is None else PROGRESS_SECONDS * 1000):
                if progress is not None:
                    self.tell(progress)
        except BaseException:
            self.cancel()
            poll.poll()
            raise
        if progress is not None:
            self.tell(progress)

    async def wait_async(self, progress: Optional[Progress] = None) -> None:
        """The same in the running event loop, without a thread. The cancellation of the task, too,
        goes on only when the job has ended, so that nothing happens behind its back."""
        loop = asyncio.get_running_loop()
        ended: "asyncio.Future[None]" = loop.create_future()
        stopped: Optional[BaseException] = None

        def end() -> None:
            loop.remove_reader(self._fd)  # it stays readable
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(self._fd, end)
        try:
            while not ended.done():
                try:
                    # Unlike an await of the future itself, this leaves it alone when cancelled.
                    await asyncio.wait([ended],
                                       timeout=None if progress is None else PROGRESS_SECONDS)
                    if progress is not None and stopped is None:
                        self.tell(progress)
                except (asyncio.CancelledError, Exception) as error:
                    stopped = stopped or error
                    self.cancel()
        except BaseException:
            # The coroutine is thrown away: nobody is there to wait any longer.
            self.cancel()
            raise
        finally:
            if not loop.is_closed():
                loop.remove_reader(self._fd)
        try:
            if stopped is not None:
                raise stopped
        finally:
            stopped = None  # its traceback has this frame


# A job that has ended is dropped at once, not when Python comes round to it: it keeps a descriptor,
# and its volume, with an import that it may hold.


def finish(job: Job, progress: Optional[Progress] = None) -> None:
    """Waits for a long operation here: so signals are heard, and `progress` may raise."""
    try:
        job.wait(progress)
        job.check()
    finally:
        job.close()


async def run(job: Job, progress: Optional[Progress] = None) -> None:
    """Waits for a job without an output."""
    try:
        await job.wait_async(progress)
        job.check()
    finally:
        job.close()


async def fetch(job: Job, output: Output[T]) -> T:
    """Waits for a job, and returns its output."""
    try:
        await job.wait_async()
        return job.result(output)
    finally:
        job.close()
