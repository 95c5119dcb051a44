# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of the host and the shared libraries they need, for the guest, at the same paths."""
import os
import re
import subprocess

from common import RigError, which

# Where the dynamic loader looks by itself.
STANDARD = re.compile(r"(/usr)?/lib(64|/[^/]+-linux-gnu)?$")


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def interpreter(path):
    """Of a script: the program in its first line, or None."""
    with open(path, "rb") as file:
        line = file.readline(256)
    if not line.startswith(b"#!"):
        return None
    return os.fsdecode(line[2:].split()[0])


def libraries(paths):
    """All libraries of these files, and the loader, as the host's loader finds them."""
    done = subprocess.run(["ldd", *paths], stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, "LC_ALL": "C"}, check=False)
    text = done.stdout.decode(errors="surrogateescape")
    missing = re.findall(r"^\s(\S+) => not found", text, re.MULTILINE)
    if missing:
        raise RigError(f"the host lacks libraries of {' '.join(paths)[:200]}: {' '.join(missing)}")
    found = re.findall(r"^\s(?:\S+ => )?(/.*) \(0x[0-9a-f]+\)$", text, re.MULTILINE)
    return sorted({without_variant(path) for path in found})


def without_variant(path):
    """The guest's processor is an old one: the library for any, where there is one for newer."""
    plain = re.sub(r"/glibc-hwcaps/[^/]+", "", path)
    return plain if os.path.exists(plain) else path


class Files:
    """What goes into the guest beside init: host paths by guest paths."""

    def __init__(self):
        self.entries = {}
        self.elf = set()
        self.library_directories = set()

    def add(self, host, guest):
        if not os.path.exists(host):
            raise RigError(f"no '{host}' to be put into the guest")
        self.entries[guest] = os.path.abspath(host)
        if os.path.isfile(host):
            self._note(host)
        for place, _, names in os.walk(host):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    self._note(path)

    def _note(self, path):
        try:
            if is_elf(path):
                self.elf.add(path)
        except OSError as error:
            raise RigError(f"cannot read '{path}': {error.strerror}") from error

    def add_program(self, name):
        """A program by its path, or by its name as in PATH. Returns its path in the guest."""
        path = name if "/" in name else which(name)
        if not path or not os.path.isfile(path):
            return None
        path = os.path.abspath(path)
        self.add(path, path)
        script_runner = interpreter(path)
        if script_runner and script_runner not in self.entries:
            self.add_program(script_runner)
        return path

    def write(self, archive):
        for guest, host in sorted(self.entries.items()):
            # A link would need its target as well: the content.
            archive.add(os.fsencode(guest.strip("/")), os.fsencode(os.path.realpath(host)))
        if not self.elf:
            return
        for path in libraries(sorted(self.elf)):
            archive.add(os.fsencode(path.strip("/")), os.fsencode(os.path.realpath(path)))
            if not STANDARD.match(os.path.dirname(path)):
                self.library_directories.add(os.path.dirname(path))
