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


def archive_of(packages, pattern):
    """The source that the packages were built of."""
    found = glob.glob(os.path.join(packages, pattern))
    if len(found) != 1:
        raise Failure(f"{packages}/{pattern}: {found}. First: make deb rpm")
    return found[0]


def build(packages, name, archive, command, settings=None):
    """Unpacks that archive and runs the command there, with packages/NAME, where it builds. Unless
    what lies there was built of the same."""
    directory = os.path.join(packages, name)
    mark = directory + ".made"
    with open(archive, "rb") as file:
        source = hashlib.sha256(file.read()).hexdigest()
    if os.path.exists(mark) and open(mark, encoding="ascii").read() == source:
        return
    if os.path.exists(mark):
        os.unlink(mark)
    with tempfile.TemporaryDirectory(prefix="qubes-storage-", dir="/var/tmp") as place:
        roots.output_of(["tar", "--extract", "--file", archive, "--directory", place])
        with open(directory + ".log", "w", encoding="utf-8") as log:
            done = subprocess.run(
                ["sh", "-c", command, "sh", directory, next_version()], stdout=log, stderr=log,
                cwd=glob.glob(f"{place}/*")[0], env=dict(os.environ, **(settings or {})),
                stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failure(f"it failed: {command}: see {directory}.log")
    with open(mark, "w", encoding="ascii") as file:
        file.write(source)


# In another directory at another depth, with another time zone, umask and number of jobs; and from
# the archive, not from the checkout.
AGAIN = """
umask 077
packaging/build-deb "$PWD/../here/it/is"
rm -rf "$1"
mv ../here/it/is "$1"
"""


def prepare(packages):
    """All of them, and the base root: two at a time. Where that is."""
    one_job = {"DEB_BUILD_OPTIONS": "nocheck parallel=1", "RPM_BUILD_NCPUS": "1"}
    deb = archive_of(packages, "deb/*.orig.tar.gz")
    rpm = archive_of(packages, "rpm/SOURCES/*.tar.gz")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(build, packages, "deb-again", deb, f"set -e; {AGAIN}",
                        dict(one_job, TZ="Pacific/Kiritimati", LC_ALL="C")),
            pool.submit(build, packages, "deb-next", deb, 'packaging/build-deb "$1" "$2"', one_job),
            pool.submit(build, packages, "rpm-next", rpm,
                        'packaging/build-rpm "$1" "$2" --nocheck', one_job),
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
        if not re.search(r"-dbgsym$|-debug(info|source)$", name) and not path.endswith(".src.rpm"):
            found[name] = path
    if len(found) != 5:
        raise Failure(f"packages in {directory}: {sorted(found.values())}")
    return found


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Failure(f"no {program}: scripts/install-deps packages")
