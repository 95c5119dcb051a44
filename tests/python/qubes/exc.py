# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exceptions of the daemon that storage drivers meet."""


class QubesException(Exception):
    """One that is shown to the user."""


class QubesValueError(QubesException, ValueError):
    """A value that cannot be set."""


class StoragePoolException(QubesException):
    """Of storage in general. Not an OSError."""
