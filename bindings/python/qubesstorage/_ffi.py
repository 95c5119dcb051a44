# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared library, and what must be checked before ctypes gets it: ctypes cuts strings at a NUL
and numbers to their width, without a word."""
import ctypes
import operator
import os
from typing import Any, Optional, SupportsIndex, Union

from . import _declarations as c
from .errors import StorageError, invalid, make_error

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

SONAME = "libqubesstorage.so.0"
UNKNOWN = 2**64 - 1
SIZE_MAX = 2**63 - 1
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def _load() -> Any:
    # CDLL releases the GIL during each call; what an operation answers comes in its error, so
    # there is no errno to be kept.
    try:
        library = ctypes.CDLL(SONAME)
    except OSError as error:
        raise ImportError(f"cannot load {SONAME}: {error}. Is libqubesstorage installed?") from None
    for name, (result, *arguments) in c.FUNCTIONS.items():
        try:
            function = getattr(library, "qubes_storage_" + name)
        except AttributeError:
            raise ImportError(f"{SONAME} is older than this package: it has no {name}") from None
        function.restype = result
        function.argtypes = arguments
    return library


_library = _load()


def function(name: str) -> Any:
    """The function of the C API; `name` is without the prefix."""
    return getattr(_library, "qubes_storage_" + name)


def version() -> str:
    """The version of the library in use."""
    return str(function("version")().decode())


# ---- Arguments ----


def string(value: Path, name: str) -> bytes:
    """A path, or a name, as bytes without a NUL."""
    raw = os.fsencode(value)
    if b"\0" in raw:
        raise invalid(name, "it contains NUL")
    return raw


def number(value: SupportsIndex, name: str, low: int, high: int) -> int:
    """An integer within the bounds."""
    result = operator.index(value)
    if not low <= result <= high:
        raise invalid(name, f"{result} is out of range")
    return result


def size(value: SupportsIndex, name: str = "size") -> int:
    """A size in bytes."""
    return number(value, name, 0, SIZE_MAX)


def size_or_unknown(value: Optional[SupportsIndex], name: str = "size") -> int:
    """A size in bytes, where None stands for "as it is"."""
    return UNKNOWN if value is None else size(value, name)


def int32(value: SupportsIndex, name: str) -> int:
    """A number that the library has as int32_t and checks itself."""
    return number(value, name, INT32_MIN, INT32_MAX)


# ---- Results ----


def text(raw: Optional[bytes]) -> str:
    """A path or a name that the library returned."""
    return os.fsdecode(raw or b"")


def known(value: int) -> Optional[int]:
    """A size or usage, None where the library does not know."""
    return None if value == UNKNOWN else value


def _take_error(code: int, raw: c.Error) -> StorageError:
    try:
        message = (function("error_message")(raw) or b"").decode("utf-8", "replace")
        step = text(function("error_step")(raw))
        path = text(function("error_path")(raw))
        errno = function("error_errno")(raw)
    finally:
        function("error_unref")(raw)
    return make_error(code, message or f"the operation failed with code {code}", errno, step, path)


def check(name: str, *arguments: Any) -> None:
    """Calls a function that can fail, without its last argument; raises the error it answers."""
    error = c.Error()
    code = function(name)(*arguments, ctypes.byref(error))
    if code != 0:
        raise _take_error(code, error)
