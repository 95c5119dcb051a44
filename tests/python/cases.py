# SPDX-License-Identifier: LGPL-2.1-or-later
"""All tests, and that they test what they mean to."""
import os

import qubesstorage
import cases_async  # noqa: F401  pylint: disable=unused-import
import cases_crash  # noqa: F401  pylint: disable=unused-import
import cases_driver  # noqa: F401  pylint: disable=unused-import
import cases_driver_imports  # noqa: F401  pylint: disable=unused-import
import cases_driver_life  # noqa: F401  pylint: disable=unused-import
import cases_errors  # noqa: F401  pylint: disable=unused-import
import cases_life  # noqa: F401  pylint: disable=unused-import
import cases_misuse  # noqa: F401  pylint: disable=unused-import
import cases_pythons  # noqa: F401  pylint: disable=unused-import
import cases_readme  # noqa: F401  pylint: disable=unused-import
from place import Place


def installed_place(directory):
    """The class of places, if the package is the installed one."""
    found = os.path.dirname(os.path.dirname(os.path.abspath(qubesstorage.__file__)))
    if found != directory:
        raise SystemExit(f"the package comes from {found}, not from {directory}")
    return Place
