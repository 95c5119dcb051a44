# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the driver for the Qubes daemon raises."""
import contextlib
import errno
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


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Errors of the library come out as the daemon's."""
    try:
        yield
    except DriverError:
        raise
    except StorageError as error:
        raise driver_error(error) from error
