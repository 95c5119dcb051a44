# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong: StorageError, an OSError, and a class for each code of the library."""
import builtins
import enum
from typing import Any, Dict, Tuple, Type


class Code(enum.IntEnum):
    """The codes of the C API."""

    INVALID = -1
    NOT_FOUND = -2
    EXISTS = -3
    BUSY = -4
    DIRTY = -5
    READ_ONLY = -6
    NOT_SUPPORTED = -7
    NO_SPACE = -8
    IO = -9
    CORRUPT = -10
    OFFLINE = -11
    CANCELLED = -12
    TIMEOUT = -13
    NO_MEMORY = -14
    INTERNAL = -15
    UNKNOWN_OUTCOME = -16

    def __str__(self) -> str:
        return self.name


class StorageError(OSError):
    """An operation that failed. `code` says how; `errno` is the kernel's, 0 where it had no part in
    it; `step` is what was being done, `path` on which path, volume or argument ("" if on none)."""

    code: Code
    step: str
    path: str

    def __init__(self, code: Code, message: str, *, errno: int = 0, step: str = "",
                 path: str = "") -> None:
        super().__init__(errno, message)
        self.code = code
        self.step = step
        self.path = path
        if path:
            self.filename = path

    def __str__(self) -> str:
        # The message of the library names step, path and reason; OSError would say it all twice.
        return str(self.strerror)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _rebuild, (type(self), self.code, self.strerror, self.errno, self.step, self.path)


def _rebuild(kind: Type[StorageError], code: Code, message: str, errno: int, step: str,
             path: str) -> StorageError:
    return kind(code, message, errno=errno, step=step, path=path)


class InvalidError(StorageError, ValueError):
    """An argument that can never be right."""


class HandleError(InvalidError):
    """The object was closed, or belongs to the process that this one was forked from."""


class NotFoundError(StorageError, FileNotFoundError):
    """No such volume, image, revision, file."""


class ExistsError(StorageError, FileExistsError):
    """It is there already."""


class BusyError(StorageError):
    """Somebody else is using it: an import, an export."""


class DirtyError(StorageError):
    """The volume has a session that was not committed."""


class ReadOnlyError(StorageError):
    """The volume or the pool may not be written."""


class NotSupportedError(StorageError):
    """This kind of volume, pool, filesystem cannot."""


class NoSpaceError(StorageError):
    """The filesystem or the quota is full."""


class IoError(StorageError):
    """The kernel failed or refused: see `errno`."""


class CorruptError(StorageError):
    """What is on disk is not what it must be."""


class OfflineError(StorageError):
    """The directory of the pool is absent."""


class CancelledError(StorageError):
    """Somebody asked the operation to end. (The task that awaits it gets asyncio's exception.)"""


class TimeoutError(StorageError, builtins.TimeoutError):  # pylint: disable=redefined-builtin
    """The time given was over."""


class NoMemoryError(StorageError):
    """Out of memory, descriptors or threads."""


class InternalError(StorageError):
    """A defect of the library."""


class UnknownOutcomeError(StorageError):
    """The new state is in place, but the sync that makes it durable failed: do not repeat; look
    again after the filesystem has been mended."""


_CLASSES: Dict[Code, Type[StorageError]] = {
    Code.INVALID: InvalidError,
    Code.NOT_FOUND: NotFoundError,
    Code.EXISTS: ExistsError,
    Code.BUSY: BusyError,
    Code.DIRTY: DirtyError,
    Code.READ_ONLY: ReadOnlyError,
    Code.NOT_SUPPORTED: NotSupportedError,
    Code.NO_SPACE: NoSpaceError,
    Code.IO: IoError,
    Code.CORRUPT: CorruptError,
    Code.OFFLINE: OfflineError,
    Code.CANCELLED: CancelledError,
    Code.TIMEOUT: TimeoutError,
    Code.NO_MEMORY: NoMemoryError,
    Code.INTERNAL: InternalError,
    Code.UNKNOWN_OUTCOME: UnknownOutcomeError,
}


def make_error(number: int, message: str, errno: int, step: str, path: str) -> StorageError:
    """The error for a code of the library; one that is not known here is INTERNAL, as the header
    demands."""
    try:
        code = Code(number)
    except ValueError:
        code = Code.INTERNAL
    return _CLASSES[code](code, message, errno=errno, step=step, path=path)


def invalid(name: str, reason: str) -> InvalidError:
    """An argument that is refused before the library sees it, in the words of the library."""
    return InvalidError(Code.INVALID, f"cannot check argument '{name}': {reason}",
                        step="check argument", path=name)
