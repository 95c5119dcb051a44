# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the driver for the Qubes daemon raises."""
import contextlib
import errno
import os
from typing import Iterator

import qubes.storage

from .errors import Code, StorageError


class DriverError(qubes.storage.StoragePoolException, StorageError):
    """Both what the daemon shows to its users and, as with the peer, an OSError: parts of the
    daemon catch only one of the two."""


# Where the library refuses by itself, without the kernel, and the peer's error is the kernel's.
_ERRNO = {Code.INVALID: errno.EINVAL, Code.NOT_FOUND: errno.ENOENT, Code.EXISTS: errno.EEXIST,
          Code.BUSY: errno.EBUSY, Code.READ_ONLY: errno.EROFS}


def driver_error(error: StorageError, hint: str = "") -> DriverError:
    """The same for the daemon."""
    number = error.errno or _ERRNO.get(error.code, 0)
    return DriverError(error.code, str(error) + hint, errno=number, step=error.step,
                       path=error.path)


# For errors that are Python's own: of the files of other drivers, of the pool's directory.
_CODES = {errno.ENOENT: Code.NOT_FOUND, errno.ENOTDIR: Code.NOT_FOUND,
          errno.EEXIST: Code.EXISTS, errno.EBUSY: Code.BUSY, errno.EROFS: Code.READ_ONLY,
          errno.ENOSPC: Code.NO_SPACE, errno.EDQUOT: Code.NO_SPACE, errno.ENOMEM: Code.NO_MEMORY,
          errno.EMFILE: Code.NO_MEMORY, errno.ENFILE: Code.NO_MEMORY}


def system_error(error: OSError, step: str) -> DriverError:
    """The same for the daemon, in the words of the library."""
    number = error.errno or 0
    path = "" if error.filename is None else os.fsdecode(error.filename)
    where = f" '{path}'" if path else ""
    return DriverError(_CODES.get(number, Code.IO),
                       f"cannot {step}{where}: {error.strerror or error}", errno=number, step=step,
                       path=path)


@contextlib.contextmanager
def translated(step: str = "use file") -> Iterator[None]:
    """Errors of the library, and of the system at that step, come out as the daemon's."""
    try:
        yield
    except DriverError:
        raise
    except StorageError as error:
        raise driver_error(error) from error
    except OSError as error:
        raise system_error(error, step) from error
