# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives that the kernel unpacks as the guest's root: cpio, the "newc" format, no command needed.

The base (init and modules) is cached; the job comes as a second archive, which the kernel takes
directly behind the first.
"""
import hashlib
import json
import os
import shlex
import shutil
import stat

from common import HERE, RigError, cache_directory, fill_cache, find_program, run_checked

BASE_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "loop")


class Archive:
    """A cpio archive. Every file belongs to root; parents are made as they are needed."""

    def __init__(self, file):
        self.file, self.known, self.inode = file, set(), 0
        self.links = {}

    def link_as_on_host(self):
        """/bin, /lib and the like, where they are links into /usr: scripts name both paths."""
        for name in sorted(os.listdir(b"/")):
            if name.startswith((b"bin", b"sbin", b"lib")) and os.path.islink(b"/" + name):
                target = os.path.realpath(b"/" + name).strip(b"/")
                self.directory(target)
                self.symlink(name, target)
                self.links[name] = target

    def _entry(self, name, mode, size, mtime=0):
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, int(mtime), size, 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
        self.file.write(head + b"\0" * (-len(head) % 4))

    def _parents(self, name):
        parts = name.split(b"/")
        for count in range(1, len(parts)):
            self.directory(b"/".join(parts[:count]))

    def _new(self, name):
        """The name to write, or None for one that is there."""
        first, slash, rest = name.partition(b"/")
        if slash:
            name = self.links.get(first, first) + b"/" + rest
        if name in self.known or name in self.links:
            return None
        self.known.add(name)
        self._parents(name)
        return name

    def directory(self, name, mode=0o755):
        name = name and self._new(name)
        if name:
            self._entry(name, stat.S_IFDIR | mode, 0)

    def symlink(self, name, target):
        name = self._new(name)
        if name:
            self._entry(name, stat.S_IFLNK | 0o777, len(target))
            self.file.write(target + b"\0" * (-len(target) % 4))

    def bytes(self, name, content, mode=0o644, mtime=0):
        if len(content) >> 32:
            raise RigError(f"{os.fsdecode(name)} is too large for the guest's memory")
        name = self._new(name)
        if name:
            self._entry(name, stat.S_IFREG | mode, len(content), mtime)
            self.file.write(content + b"\0" * (-len(content) % 4))

    def add(self, name, path):
        """A file, a link or a whole directory of the host. Sockets and the like are left out."""
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            self.symlink(name, os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            self.directory(name, stat.S_IMODE(status.st_mode))
            for child in sorted(os.listdir(path)):
                self.add(name + b"/" + child if name else child, path + b"/" + child)
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                self.bytes(name, file.read(), stat.S_IMODE(status.st_mode), status.st_mtime)

    def close(self):
        self._entry(b"TRAILER!!!", 0, 0)
        self.file.write(b"\0" * (-self.file.tell() % 512))


def compile_init():
    """The bytes of the static program, compiled once for each text of it and compiler."""
    source = os.path.join(HERE, "init.c")
    compiler, *options = shlex.split(os.environ.get("CC", "cc"))
    compiler = [find_program(compiler, "gcc, and the static libc (glibc-static)"), *options]
    with open(source, "rb") as file:
        key = hashlib.sha256(file.read() + shlex.join(compiler).encode()).hexdigest()[:32]

    def build(new):
        run_checked([*compiler, "-static", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                     "-o", new, source])

    return fill_cache(os.path.join(cache_directory("init"), key), build)


def base(kernel, filesystems):
    """The path of the archive with init, and with the modules and their order as the first job."""
    init = compile_init()
    names = [*BASE_MODULES, *sorted(filesystems)]
    text = json.dumps([kernel.identity(), os.path.basename(init), names])
    key = hashlib.sha256(text.encode()).hexdigest()[:32]

    def build(new):
        with open(new, "wb") as file:
            archive = Archive(file)
            archive.add(b"init", os.fsencode(init))
            job = b""
            for name, content in kernel.modules.in_order(names):
                path = os.fsencode(f"testvm.modules/{name}.ko")
                archive.bytes(path, content)
                job += b"M/" + path + b"\0"
            archive.bytes(b"testvm.base", job)
            archive.close()

    return fill_cache(os.path.join(cache_directory("initramfs"), key), build)


def write_job(path, base_path, entries, files=None):
    """The guest's whole archive: the base, then the files and the job."""
    with open(path, "wb") as file:
        with open(base_path, "rb") as first:
            shutil.copyfileobj(first, file, 1 << 20)
        archive = Archive(file)
        archive.link_as_on_host()
        if files:
            files.write(archive)
            if files.library_directories:
                where = ":".join(sorted(files.library_directories))
                entries = [*entries, "ELD_LIBRARY_PATH=" + where]
        for name, content in (("passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
                              ("group", b"root:x:0:\n"), ("fstab", b"")):
            archive.bytes(b"etc/" + name.encode(), content)
        job = b"".join(os.fsencode(entry) + b"\0" for entry in entries)
        archive.bytes(b"testvm.job", job)
        archive.close()
