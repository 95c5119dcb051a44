# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reference to an object of the library that cannot be used in a wrong way."""
import os
import threading
from types import TracebackType
from typing import Any, Optional, Type

from ._ffi import function
from .errors import Code, HandleError


class Handle:
    """Owns one reference. `with handle as raw:` holds another one for a call, so that a close by
    another thread takes nothing away from under it.

    The threads of the library do not exist in a forked child, and a lock may be held there for
    ever: so a child does not touch the object, not even to drop it."""

    def __init__(self, kind: str, raw: Any, what: str) -> None:
        self._is_open = False  # for __del__, should the following fail
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ref = function(kind + "_ref")
        self._unref = function(kind + "_unref")
        self._what = what
        self._raw = raw
        self._is_open = True

    def __enter__(self) -> Any:
        if os.getpid() != self._pid:
            raise self._refusal(f"belongs to the process {self._pid}, from which this one was "
                                "forked")
        with self._lock:
            if not self._is_open:
                raise self._refusal("is closed")
            return self._ref(self._raw)

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._unref(self._raw)

    def close(self) -> None:
        """Drops the reference, once. Does nothing in a forked child."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            was_open, self._is_open = self._is_open, False
        if was_open:
            self._unref(self._raw)

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used."""
        return not self._is_open or os.getpid() != self._pid

    def __del__(self) -> None:
        if self._is_open and os.getpid() == self._pid:
            self._is_open = False
            self._unref(self._raw)

    def _refusal(self, reason: str) -> HandleError:
        return HandleError(Code.INVALID, f"cannot use the {self._what}: it {reason}",
                           step="check handle", path=self._what)
