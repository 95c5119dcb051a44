# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPMs in a root whose rpm knows of nothing, by `rpm --root` and with its check of dependencies.

The files of the system are Debian's, so a package without files tells rpm what of them is there: what
the libraries provide by rpm's own reckoning of the files, and two that are no libraries. Where Debian
has other directories than Fedora, it is told of Fedora's: /usr/lib64 to the loader and to pkg-config,
site-packages to Python. packaging/README.md has the table."""
import glob
import os
import re

import builds
import cases_built
import used
from harness import claim, equal, test
from roots import Root, output_of

INVENTORY = """
Name: what-the-root-has
Version: 1
Release: 1
Summary: What the root has
License: LGPL-2.1-or-later
BuildArch: noarch
{provides}
%description
What the root has.
%files
"""


class RpmRoot(Root):
    def __init__(self, base, directory):
        super().__init__(base, directory)
        self.python = output_of(["sh", "-c", f"ls -d {self.path}/usr/lib/python3.[0-9]*"])
        self.python = os.path.basename(self.python.split()[0])
        self.environment = dict(
            Root.environment, PYTHONPATH=f"/usr/lib/{self.python}/site-packages",
            PKG_CONFIG_PATH="/usr/lib64/pkgconfig")
        with open(f"{self.path}/etc/ld.so.conf.d/fedora.conf", "w", encoding="ascii") as file:
            file.write("/usr/lib64\n")
        # Directories of Fedora's packages filesystem, python3-libs and pkgconf.
        for made in ("share/licenses", f"lib/{self.python}/site-packages", "lib64/pkgconfig"):
            os.makedirs(f"{self.path}/usr/{made}", exist_ok=True)
        self.directory = directory

    def rpm(self, *arguments):
        # Debian's rpm asks for --force-debian where dpkg has a database.
        said = output_of(["rpm", "--root", self.path, "--dbpath", "/var/lib/rpm", "--force-debian",
                          *arguments])
        # In Fedora a file trigger of glibc does.
        self.run("ldconfig")
        return said

    def provides(self, wanted):
        """What rpm finds in the root's own files of what is wanted."""
        for library in sorted({name for name in wanted if name.startswith("lib")}):
            files = glob.glob(f"{self.path}/usr/lib/*-linux-gnu/{library}")
            claim(len(files) == 1, f"{library} in the root: {files}")
            yield from output_of(["sh", "-c", 'echo "$1" | /usr/lib/rpm/elfdeps --provides', "sh",
                                  os.path.realpath(files[0])]).splitlines()
        if "/usr/bin/pkg-config" in wanted:
            claim(os.path.exists(f"{self.path}/usr/bin/pkg-config"), "no pkg-config")
            yield "/usr/bin/pkg-config"
        yield f"python(abi) = {self.python[len('python'):]}"
        yield "rtld(GNU_HASH)"

    def register_what_is_there(self):
        spec = os.path.join(self.directory, "what-the-root-has.spec")
        provides = "\n".join(f"Provides: {item}" for item in self.provides(cases_built.FEDORA))
        with open(spec, "w", encoding="utf-8") as file:
            file.write(INVENTORY.format(provides=provides))
        output_of(["rpmbuild", "-bb", "--define", f"_topdir {self.directory}/rpmbuild", spec])
        self.rpm("--install", *glob.glob(f"{self.directory}/rpmbuild/RPMS/noarch/*.rpm"))


def refused(root, *arguments):
    said = output_of(["sh", "-c", 'rpm "$@" 2>&1 && echo DONE || true', "sh", "--root", root.path,
                      "--dbpath", "/var/lib/rpm", "--force-debian", *arguments])
    claim("DONE" not in said and "Failed dependencies" in said, said)
    return said


@test("xfs")
def rpm_needs_nothing_but_what_is_known(place):
    """Without what is listed, rpm misses exactly that."""
    root = place.root(RpmRoot)
    said = refused(root, "--install", "--test", *place.built("rpm", "rpm").values())
    missed = {cases_built.without_bounds(item)
              for item in re.findall(r"^\s+(\S.*) is needed by ", said, re.M)}
    equal(sorted(missed), sorted(cases_built.FEDORA), "what rpm misses in an empty root")


@test("xfs")
def rpm_installed_used_and_removed(place):
    root = place.root(RpmRoot)
    root.register_what_is_there()
    before = root.listing()
    packages = place.built("rpm", "rpm")
    root.rpm("--install", *packages.values())
    equal(root.rpm("--verify", *packages), "", "rpm --verify")
    used.use(root, builds.version())
    refused(root, "--erase", "--test", "libqubesstorage")
    root.rpm("--erase", *packages)
    equal(root.rpm("--query", "--all").split(), ["what-the-root-has-1-1.noarch"], "packages left")
    equal(sorted(root.listing() ^ before), [], "left by rpm --erase, or lost by it")


@test("xfs")
def rpm_upgraded_under_a_running_session(place):
    root = place.root(RpmRoot)
    root.register_what_is_there()
    root.rpm("--install", *place.built("rpm", "rpm").values())
    used.upgrade(root, lambda: root.rpm("--upgrade", *place.built("rpm-next", "rpm").values()))
    equal(len(root.rpm("--query", "--all").split()), len(place.built("rpm", "rpm")) + 1, "packages")
