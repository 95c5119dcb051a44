# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual machine disks as image files on a reflink filesystem: libqubesstorage for Python."""
from ._ffi import version
from .errors import (BusyError, CancelledError, Code, CorruptError, DirtyError, ExistsError,
                     HandleError, InternalError, InvalidError, IoError, NoMemoryError,
                     NoSpaceError, NotFoundError, NotSupportedError, OfflineError, ReadOnlyError,
                     StorageError, TimeoutError,  # pylint: disable=redefined-builtin
                     UnknownOutcomeError)
from .files import (file_clone, file_clone_async, file_create_sparse, file_create_sparse_async,
                    file_resize, file_resize_async, loop_refresh, loop_refresh_async,
                    reflink_supported, reflink_supported_async)
from .info import Finding, PoolInfo, Revision, VolumeInfo
from .pool import Pool
from .volume import Volume

__all__ = [
    "BusyError", "CancelledError", "Code", "CorruptError", "DirtyError", "ExistsError", "Finding",
    "HandleError", "InternalError", "InvalidError", "IoError", "NoMemoryError", "NoSpaceError",
    "NotFoundError", "NotSupportedError", "OfflineError", "Pool", "PoolInfo", "ReadOnlyError",
    "Revision", "StorageError", "TimeoutError", "UnknownOutcomeError", "Volume", "VolumeInfo",
    "file_clone", "file_clone_async", "file_create_sparse", "file_create_sparse_async",
    "file_resize", "file_resize_async", "loop_refresh", "loop_refresh_async",
    "reflink_supported", "reflink_supported_async", "version",
]
