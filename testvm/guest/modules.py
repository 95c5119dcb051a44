# SPDX-License-Identifier: LGPL-2.1-or-later
"""The modules of a kernel, without depmod: files by name, and what each one needs."""
import gzip
import lzma
import os
import re

from common import RigError, find_program, run_checked

SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
# Without modprobe in the guest nobody answers the kernel's request for a checksum.
CHECKSUMS = ("crc32c", "crc32c_generic")


def normal(name):
    return name.replace("-", "_")


def read(path):
    """The module as the kernel takes it. A signature at its end survives the decompression."""
    if path.endswith(".zst"):
        return run_checked([find_program("zstd", "zstd"), "-dcq", path])
    opener = lzma.open if path.endswith(".xz") else gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        return file.read()


class Modules:
    """Of one directory /lib/modules/VERSION."""

    def __init__(self, directory):
        self.directory = directory
        self.files = {}
        for place, _, names in os.walk(directory):
            for name in names:
                suffix = next((s for s in SUFFIXES if name.endswith(s)), None)
                if suffix:
                    self.files[normal(name[:-len(suffix)])] = os.path.join(place, name)
        self.builtin = self._read_builtin()

    def _read_builtin(self):
        try:
            with open(os.path.join(self.directory, "modules.builtin"), encoding="ascii") as file:
                return {normal(os.path.basename(line.strip())[:-len(".ko")]) for line in file}
        except OSError:
            return set()

    def missing(self, names):
        return [name for name in names if name not in self.files and name not in self.builtin]

    def in_order(self, names):
        """(name, content) of these and of all that they need, each after what it needs."""
        ordered, seen = [], set()

        def visit(name):
            if name in seen or name in self.builtin:
                return
            seen.add(name)
            if name not in self.files:
                raise RigError(f"no module {name} in {self.directory}")
            content = read(self.files[name])
            for needed in re.findall(rb"\0depends=([^\0]*)\0", b"\0" + content):
                for one in filter(None, needed.decode().split(",")):
                    visit(normal(one))
            ordered.append((name, content))

        for name in [one for one in CHECKSUMS if one in self.files] + list(names):
            visit(name)
        return ordered
