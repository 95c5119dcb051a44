# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reference to an object of the library that cannot be used in a wrong way."""
import os
from types import TracebackType
from typing import Any, List, Optional, Type

from ._ffi import function
from .errors import Code, HandleError


class Handle:
    """Owns one reference. `with handle as raw:` keeps it for a call, so that a close meanwhile, by
    another thread or a signal's handler, takes nothing away from under it.

    There is no lock, which a handler would wait for in vain in the thread that it interrupts: who
    begins to use it says so before looking whether it is open, who closes it looks for users after
    that. Lists change in one step, also without the GIL.

    The threads of the library do not exist in a forked child, and its locks may be held there for
    ever: so a child does not touch the object, not even to drop it."""

    def __init__(self, kind: str, raw: Any, what: str) -> None:
        self._reference: List[Any] = []  # for __del__, should the following fail
        self._pid = os.getpid()
        self._unref = function(kind + "_unref")
        self._what = what
        self._raw = raw
        self._users: List[None] = []
        self._is_open = True
        self._reference.append(raw)

    def __enter__(self) -> Any:
        if os.getpid() != self._pid:
            raise self._refusal(f"belongs to the process {self._pid}, from which this one was "
                                "forked")
        self._users.append(None)
        if not self._is_open:
            self._end_use()
            raise self._refusal("is closed")
        return self._raw

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._end_use()

    def _end_use(self) -> None:
        self._users.pop()
        if not self._is_open and not self._users:
            self._drop()

    def _drop(self) -> None:
        """Once, whoever comes first."""
        try:
            raw = self._reference.pop()
        except IndexError:
            return
        self._unref(raw)

    def close(self) -> None:
        """Drops the reference, when no call uses it any more. Does nothing in a forked child."""
        if os.getpid() != self._pid:
            return
        self._is_open = False
        if not self._users:
            self._drop()

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used."""
        return not self._is_open or os.getpid() != self._pid

    def __del__(self) -> None:
        if self._reference and os.getpid() == self._pid:
            self._drop()

    def _refusal(self, reason: str) -> HandleError:
        return HandleError(Code.INVALID, f"cannot use the {self._what}: it {reason}",
                           step="check handle", path=self._what)
