# SPDX-License-Identifier: LGPL-2.1-or-later
"""Building blocks for other drivers: single files, by path."""
from typing import Any, Optional, Tuple

from . import _call
from ._call import Job
from ._ffi import Path, check, size_or_unknown, string
from ._ffi import size as checked_size

CLONE_KEEP_MTIME = 1


def _clone(src: Path, dst: Path, size: Optional[int], keep_mtime: bool) -> Tuple[Any, ...]:
    return (string(src, "source"), string(dst, "target"), size_or_unknown(size),
            CLONE_KEEP_MTIME if keep_mtime else 0)


def file_clone(src: Path, dst: Path, *, size: Optional[int] = None,
               keep_mtime: bool = False) -> bool:
    """Clones a regular file by reflink, or by a sparse copy; `dst` is replaced in one step and is
    durable then, and so is its directory, which is made if it is absent. `size` is that of the
    clone. Returns whether blocks are shared."""
    return _call.ask(_call.REFLINKED, "file_clone", *_clone(src, dst, size, keep_mtime))


async def file_clone_async(src: Path, dst: Path, *, size: Optional[int] = None,
                           keep_mtime: bool = False) -> bool:
    """See `file_clone`; the source must not change meanwhile."""
    job = Job("file_clone", *_clone(src, dst, size, keep_mtime))
    return await _call.fetch(job, _call.REFLINKED)


def file_create_sparse(path: Path, size: int) -> None:
    """Makes, or replaces in one step, a file of zeros that takes no space."""
    check("file_create_sparse", string(path, "path"), checked_size(size))


async def file_create_sparse_async(path: Path, size: int) -> None:
    """See `file_create_sparse`."""
    await _call.run(Job("file_create_sparse", string(path, "path"), checked_size(size)))


def file_resize(path: Path, size: int) -> None:
    """Changes the size of a file in place, either way."""
    check("file_resize", string(path, "path"), checked_size(size))


async def file_resize_async(path: Path, size: int) -> None:
    """See `file_resize`."""
    await _call.run(Job("file_resize", string(path, "path"), checked_size(size)))


def loop_refresh(path: Path) -> None:
    """Tells every loop device on the file that its size has changed."""
    check("loop_refresh", string(path, "path"))


async def loop_refresh_async(path: Path) -> None:
    """See `loop_refresh`."""
    await _call.run(Job("loop_refresh", string(path, "path")))


def _directories(dst_dir: Path, src_dir: Optional[Path]) -> Tuple[bytes, Optional[bytes]]:
    return (string(dst_dir, "target_dir"),
            None if src_dir is None else string(src_dir, "source_dir"))


def reflink_supported(dst_dir: Path, *, src_dir: Optional[Path] = None) -> bool:
    """Whether files of `src_dir` (the same, if None) can be cloned into `dst_dir` by sharing
    blocks. Tried on unnamed files."""
    return _call.ask(_call.SUPPORTED, "reflink_supported", *_directories(dst_dir, src_dir))


async def reflink_supported_async(dst_dir: Path, *, src_dir: Optional[Path] = None) -> bool:
    """See `reflink_supported`."""
    job = Job("reflink_supported", *_directories(dst_dir, src_dir))
    return await _call.fetch(job, _call.SUPPORTED)
