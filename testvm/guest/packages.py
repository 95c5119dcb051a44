# SPDX-License-Identifier: LGPL-2.1-or-later
"""The distribution's kernel package, fetched and unpacked without root and without installing it.

Debian is what this was tried on. Ubuntu (another name, the modules in a package of their own) and
Fedora are written from their documentation and were not run.
"""
import glob
import os
import re
import shutil
import tempfile

from common import RigError, fill_cache, find_program, run_checked

# Packages without content of their own; small ones first.
DEBIAN_META = ("linux-image-cloud-amd64", "linux-image-amd64", "linux-image-virtual")
FEDORA = ("kernel-core", "kernel-modules-core", "kernel-modules")


class Apt:
    """apt with lists of its own where those of the system are absent or outdated."""

    def __init__(self, work):
        self.work, self.options = work, []

    def use_own_lists(self):
        lists, archives = os.path.join(self.work, "lists"), os.path.join(self.work, "archives")
        os.makedirs(os.path.join(lists, "partial"))
        os.makedirs(os.path.join(archives, "partial"))
        self.options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={self.work}",
                        "-o", "APT::Sandbox::User="]
        run_checked(["apt-get", *self.options, "-qq", "update"])

    def depends(self, package):
        text = run_checked(["apt-cache", *self.options, "depends", "--important", package],
                           env={**os.environ, "LC_ALL": "C"}).decode()
        return re.findall(r"^ *(?:Pre)?Depends: ([^\s<>]+)$", text, re.MULTILINE)

    def kernel_packages(self, meta):
        """The packages with the files behind the meta package: image, and modules where apart."""
        found, todo = [], [meta]
        while todo:
            package = todo.pop()
            if package in found:
                continue
            found.append(package)
            todo += [name for name in self.depends(package)
                     if re.match(r"linux-(image|modules)-", name)]
        return [name for name in found if re.search(r"\d+\.\d+", name)]

    def download(self, names):
        place = tempfile.mkdtemp(dir=self.work)
        run_checked(["apt-get", *self.options, "-qq", "download", *names], cwd=place)
        return glob.glob(os.path.join(place, "*.deb"))

    def find_and_download(self):
        reason = None
        for meta in DEBIAN_META:
            try:
                names = self.kernel_packages(meta)
            except RigError as error:
                reason = error
                continue
            if names:
                return self.download(names)
        raise reason or RigError("no kernel package in apt's lists")


def fetch_debian(work, root):
    apt = Apt(work)
    try:
        files = apt.find_and_download()
    except RigError as first:
        try:
            apt.use_own_lists()
            files = apt.find_and_download()
        except RigError as second:
            raise RigError(f"{first}; with lists of its own: {second}") from second
    for file in files:
        run_checked(["dpkg", "-x", file, root])
    return files


def fetch_fedora(work, root):
    run_checked(["dnf", "download", "--destdir", work, "--arch", "x86_64", *FEDORA])
    files = glob.glob(os.path.join(work, "*.rpm"))
    find_program("cpio", "cpio")
    os.mkdir(root)
    for file in files:
        # No compressed copy of the archive in memory: these are large.
        run_checked(["sh", "-c", 'rpm2cpio "$1" | cpio -idm --quiet', "sh", file], cwd=root)
    return files


def fetch(store, log):
    if shutil.which("apt-get") and shutil.which("dpkg"):
        fetch_one = fetch_debian
    elif shutil.which("dnf") and shutil.which("rpm2cpio"):
        fetch_one = fetch_fedora
    else:
        raise RigError("neither apt-get and dpkg nor dnf and rpm2cpio are here to fetch a kernel; "
                       "give one with --kernel")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=store) as work:
        root = os.path.join(work, "root")
        try:
            files = fetch_one(work, root)
        except RigError as error:
            raise RigError(f"cannot fetch the distribution's kernel: {error}") from error
        if not files:
            raise RigError("the package manager brought no kernel package")
        names = sorted(os.path.basename(file) for file in files)
        log(f"fetched {' '.join(names)}")
        fill_cache(os.path.join(store, names[0]), lambda new: os.rename(root, new))
