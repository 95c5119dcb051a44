# SPDX-License-Identifier: LGPL-2.1-or-later
"""An installed copy, made as packages make theirs."""
import os
import shutil
import subprocess

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = "/usr/lib/here"
PACKAGE = "/usr/lib/python3/dist-packages"


def install(build, root):
    """Into an empty directory."""
    shutil.rmtree(root, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-s", "-C", CHECKOUT, f"BUILD={os.path.abspath(build)}",
                    f"DESTDIR={root}", "PREFIX=/usr", f"LIBDIR={LIBRARY}", f"PYTHONDIR={PACKAGE}",
                    "install", "install-python"],
                   check=True, stdout=subprocess.DEVNULL, env=environment)
