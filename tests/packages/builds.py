# SPDX-License-Identifier: LGPL-2.1-or-later
"""The builds that the tests compare and upgrade to, made at once and kept while the source is the
same: the DEBs again and elsewhere, and both kinds of the next version."""
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import roots
from harness import Failure

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def version():
    with open(os.path.join(CHECKOUT, "version"), encoding="ascii") as file:
        return file.read().strip()


def next_version():
    parts = version().split(".")
    return ".".join(parts[:-1] + [str(int(parts[-1]) + 1)])


def source_hash(packages):
    """Of the archives that the packages were built of: as the tree is packed reproducibly, they are
    the same if the tree is."""
    total = hashlib.sha256()
    for pattern in ("deb/*.orig.tar.gz", "rpm/SOURCES/*.tar.gz"):
        found = glob.glob(os.path.join(packages, pattern))
        if len(found) != 1:
            raise Failure(f"{packages}/{pattern}: {found}. First: make deb rpm")
        with open(found[0], "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def build(packages, name, command, settings=None):
    """Runs the command, which builds into packages/NAME, unless that was built of this source."""
    directory = os.path.join(packages, name)
    mark = directory + ".made"
    source = source_hash(packages)
    if os.path.exists(mark) and open(mark, encoding="ascii").read() == source:
        return
    if os.path.exists(mark):
        os.unlink(mark)
    with open(directory + ".log", "w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log,
                              stderr=log, env=dict(os.environ, **(settings or {})), check=False)
    if done.returncode != 0:
        raise Failure(f"it failed: {' '.join(command)}: see {directory}.log")
    with open(mark, "w", encoding="ascii") as file:
        file.write(source)


def build_again(packages):
    """Elsewhere, at another depth, with another time zone, language, umask and number of jobs."""
    directory = os.path.join(packages, "deb-again")
    with tempfile.TemporaryDirectory(prefix="qubes-storage-", dir="/var/tmp") as place:
        there = os.path.join(place, "another", "directory")
        build(packages, "deb-again",
              ["sh", "-c", 'umask 077 && packaging/build-deb "$1" && rm -rf "$2" && mv "$1" "$2"',
               "sh", there, directory],
              {"DEB_BUILD_OPTIONS": "nocheck parallel=1", "TZ": "Pacific/Kiritimati",
               "LC_ALL": "C", "HOME": place})


def prepare(packages):
    """All of them, and the base root: two at a time. Where that is."""
    one_job = {"DEB_BUILD_OPTIONS": "nocheck parallel=1", "RPM_BUILD_NCPUS": "1"}
    path = [os.path.join(packages, name) for name in ("deb-next", "rpm-next")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(build_again, packages),
            pool.submit(build, packages, "deb-next",
                        ["packaging/build-deb", path[0], next_version()], one_job),
            pool.submit(build, packages, "rpm-next",
                        ["packaging/build-rpm", path[1], next_version(), "--nocheck"], one_job),
        ]
        base = pool.submit(roots.make_base, packages).result()
        for job in jobs:
            job.result()
    return base


def packages_in(directory, suffix):
    """Name to path, of those that are for users: neither what debuggers need nor the source."""
    found = {}
    for path in glob.glob(f"{directory}/**/*.{suffix}", recursive=True):
        name = re.split(r"_|-(?=\d)", os.path.basename(path))[0]
        if not re.search(r"-dbgsym$|-debug(info|source)$|\.src\.rpm$", name) \
                and not path.endswith(".src.rpm"):
            found[name] = path
    return found


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Failure(f"no {program}: scripts/install-deps packages")
