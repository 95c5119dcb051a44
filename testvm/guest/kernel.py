# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernel the guest runs: the one given, the host's own, or the distribution's package."""
import os
import platform
import re
import struct

import packages
from common import RigError, cache_directory
from modules import Modules

REQUIRED = ("virtio_pci", "virtio_blk", "virtio_console", "loop", "xfs", "btrfs", "ext4")


class Kernel:
    def __init__(self, image, modules, origin):
        self.image, self.modules, self.origin = image, modules, origin
        self.version = version_of(image)

    def identity(self):
        """What tells it from every other one: the cache of what was made from it hangs on it."""
        parts = [self.image, self.modules.directory]
        stats = [os.stat(path) for path in parts]
        return [[path, s.st_size, s.st_mtime_ns, s.st_ino] for path, s in zip(parts, stats)]


def version_of(image):
    """From the boot header of a bzImage (the kernel's Documentation/x86/boot.rst)."""
    try:
        with open(image, "rb") as file:
            head = file.read(0x10000)
    except OSError as error:
        raise RigError(f"cannot read the kernel '{image}': {error.strerror}") from error
    if head[0x202:0x206] != b"HdrS":
        raise RigError(f"'{image}' is no Linux kernel for x86 (bzImage)")
    begin = struct.unpack_from("<H", head, 0x20e)[0] + 0x200
    return head[begin:head.index(b"\0", begin)].split()[0].decode(errors="replace")


def take(image, directories, origin):
    """The kernel, with the first of the directories that has all modules."""
    version = version_of(image)
    reasons = []
    for directory in directories:
        path = directory.format(version=version)
        if not os.path.isdir(path):
            reasons.append(f"no {path}")
            continue
        modules = Modules(path)
        missing = modules.missing(REQUIRED)
        if not missing:
            return Kernel(image, modules, origin)
        reasons.append(f"{path} lacks {' '.join(missing)}")
    raise RigError(f"no modules for the kernel '{image}' ({version}): {'; '.join(reasons)}")


def given(path):
    here = os.path.dirname(os.path.abspath(path))
    return take(os.path.abspath(path), [
        here, os.path.join(here, "..", "lib", "modules", "{version}"),
        os.path.join(here, "..", "usr", "lib", "modules", "{version}"),
        "/lib/modules/{version}"], "given")


def below(root, origin, log):
    """A usable kernel in a tree, the running version first, then the newest; or None."""
    found = []
    for base in ("usr/lib/modules", "lib/modules"):
        directory = os.path.join(root, base)
        for version in os.listdir(directory) if os.path.isdir(directory) else ():
            for image in (os.path.join(directory, version, "vmlinuz"),
                          os.path.join(root, "boot", "vmlinuz-" + version)):
                if os.path.isfile(image):
                    found.append((version, image, os.path.join(directory, version)))

    def rank(entry):
        numbers = [int(number) for number in re.findall(r"\d+", entry[0])]
        return entry[0] == platform.release(), numbers

    for version, image, directory in sorted(found, key=rank, reverse=True):
        try:
            return take(image, [directory], origin)
        except RigError as error:
            log(f"not the kernel {version}: {error}")
    return None


def cached(log):
    store = cache_directory("kernels")
    trees = [os.path.join(store, name) for name in os.listdir(store) if not name.startswith(".")]
    for tree in sorted(trees, key=os.path.getmtime, reverse=True):
        kernel = below(tree, "package in the cache", log)
        if kernel:
            return kernel
    return None


def choose(wanted, log):
    if platform.machine() != "x86_64":
        raise RigError(f"the guest is x86-64 only, this machine is {platform.machine()}")
    if wanted != "auto":
        kernel = given(wanted)
    else:
        kernel = below("/", "the host's own", log) or cached(log)
    if not kernel:
        log("no usable kernel on the host or in the cache: fetching the distribution's package")
        packages.fetch(cache_directory("kernels"), log)
        kernel = cached(log)
    if not kernel:
        raise RigError("the distribution's kernel lacks what the guest needs "
                       f"({' '.join(REQUIRED)}); give one with --kernel")
    log(f"kernel {kernel.version}: {kernel.origin}, {kernel.image}")
    return kernel
