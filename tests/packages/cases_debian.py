# SPDX-License-Identifier: LGPL-2.1-or-later
"""The DEBs in a fresh root."""
import os

import builds
import used
from harness import claim, equal, test


def install(root, packages):
    """By apt, which knows of no mirror there: what they depend on must be there, and be enough."""
    inside = [root.bring(path) for path in packages.values()]
    root.run("apt-get", "install", "-y", "-o", "Dir::Etc::SourceList=/dev/null", *inside)
    for path in inside:
        os.unlink(root.path + path)


def ours(root):
    lines = root.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").splitlines()
    return sorted(line for line in lines if "qubes" in line)


@test("xfs")
def deb_installed_used_and_purged(place):
    root = place.root()
    before = root.listing()
    packages = place.built("deb", "deb")
    install(root, packages)
    equal(ours(root), sorted(f"{name} installed" for name in packages), "installed")
    used.use(root, builds.version())
    claim(root.listing() > before, "nothing was installed")
    root.run("apt-get", "purge", "-y", *packages)
    equal(ours(root), [], "packages left")
    equal(sorted(root.listing() ^ before), [], "left by the purge, or lost by it")


@test("xfs")
def deb_upgraded_under_a_running_session(place):
    root = place.root()
    install(root, place.built("deb", "deb"))
    used.upgrade(root, lambda: install(root, place.built("deb-next", "deb")))


@test("xfs")
def deb_library_does_not_go_before_its_users(place):
    """apt takes them along; dpkg refuses."""
    root = place.root()
    install(root, place.built("deb", "deb"))
    said = root.run("sh", "-c", "dpkg --remove libqubesstorage0 2>&1 && echo REMOVED || true")
    claim("REMOVED" not in said and "dependency problems" in said, said)
