# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the contestants work on: fresh filesystems, images in many extents, pools; and quiet."""
import fcntl
import os
import shutil
import struct
import subprocess
import time

from harness import Mount

MIB = 1 << 20
IMAGE_SIZE = 2048 * MIB  # guest.h
BLOCK = 4096
FICLONE = 0x40049409
FS_IOC_FIEMAP = 0xC020660B
FIEMAP_HEADER = "=QQLLLL"  # start, length, flags, mapped extents, extent count, reserved
FIEMAP_TO_THE_END = (1 << 64) - 1


class BenchError(Exception):
    """What was to be measured is not what is there."""


def count_extents(path):
    request = bytearray(struct.pack(FIEMAP_HEADER, 0, FIEMAP_TO_THE_END, 0, 0, 0, 0))
    with open(path, "rb") as file:
        fcntl.ioctl(file, FS_IOC_FIEMAP, request)
    return struct.unpack(FIEMAP_HEADER, request)[3]


def make_fragmented(path, extents, size=IMAGE_SIZE):
    """One block of data in each of `extents` equal parts, and a hole after each: neither filesystem
    can make one extent of two."""
    stride = size // extents // BLOCK * BLOCK
    with open(path, "wb", buffering=0) as file:
        file.truncate(size)
        for number in range(extents):
            os.pwrite(file.fileno(), struct.pack("=Q", number + 1) * (BLOCK // 8), number * stride)
        os.fsync(file.fileno())
    require_extents(path, extents)
    os.chmod(path, 0o600)


def require_extents(path, wanted):
    found = count_extents(path)
    if abs(found - wanted) > wanted * 0.02:
        raise BenchError(f"{path} has {found} extents, not {wanted}")


def clone(source, target):
    with open(source, "rb") as file, open(target, "xb") as new:
        fcntl.ioctl(new, FICLONE, file.fileno())
    os.chmod(target, 0o600)


class Disk(Mount):
    """A fresh filesystem on a loop device, with one image of each number of extents."""

    def __init__(self, kind, parent, size=16384 * MIB):
        super().__init__(kind, size, parent)
        self.device_name = os.path.basename(self.device)
        self.images = {}

    def image(self, extents):
        if extents not in self.images:
            path = os.path.join(self.path, f"image-{extents}")
            make_fragmented(path, extents)
            self.images[extents] = path
        return self.images[extents]

    def requests(self):
        with open(f"/sys/block/{self.device_name}/stat", encoding="ascii") as file:
            return file.read().split()[:16]

    def settle(self):
        """Until nothing goes on any more: XFS frees the blocks of unlinked files in a thread of the
        kernel, and Btrfs in its next transaction."""
        before = None
        while before != self.requests():
            before = self.requests()
            time.sleep(0.03)
            subprocess.run(["sync", "-f", self.path], check=True)

    def make_pool(self, name, extents, private="private.img"):
        """A pool with a template and one VM, whose committed state is a clone of the image."""
        pool = os.path.join(self.path, name)
        os.makedirs(os.path.join(pool, "appvms/work"))
        os.makedirs(os.path.join(pool, "vm-templates/debian"))
        image = self.image(extents)
        clone(image, os.path.join(pool, "appvms/work", private))
        os.link(image, os.path.join(pool, "vm-templates/debian/root.img"))
        return pool

    def remove_pool(self, pool):
        shutil.rmtree(pool)
        self.settle()
