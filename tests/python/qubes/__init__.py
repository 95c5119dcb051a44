# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for the package of the Qubes daemon: what its storage drivers are made of, and no
more. It was written after the documented interface, not copied."""
