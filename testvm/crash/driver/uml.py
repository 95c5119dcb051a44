# SPDX-License-Identifier: LGPL-2.1-or-later
"""User Mode Linux: a kernel that is a process. Needs no root; Debian packages it."""
import glob
import os
import string
import subprocess
import tempfile

from common import (RigError, cache_directory, die_with_parent, fill_cache, run_checked, which)
from initramfs import Archive
from packages import Apt
from programs import Files

PACKAGE = "user-mode-linux"
MODULES = ("loop",)
MEMORY_MIB = 320


class Kernel:
    def __init__(self, program, modules):
        self.program, self.modules = program, modules


def installed():
    program = which("linux.uml")
    return Kernel(program, "/usr/lib/uml/modules") if program else None


def fetched():
    """The distribution's package, unpacked into the cache."""
    if not which("apt-get") or not which("dpkg"):
        raise RigError(f"no {PACKAGE}, and no apt-get to fetch it with")

    def unpack(root):
        with tempfile.TemporaryDirectory() as work:
            apt = Apt(work)
            try:
                files = apt.download([PACKAGE])
            except RigError:
                apt.use_own_lists()
                files = apt.download([PACKAGE])
            os.mkdir(root)
            for file in files:
                run_checked(["dpkg", "-x", file, root])

    root = fill_cache(os.path.join(cache_directory(), PACKAGE), unpack)
    return Kernel(os.path.join(root, "usr/bin/linux.uml"),
                  os.path.join(root, "usr/lib/uml/modules"))


def disk_name(number):
    return "/dev/ubd" + string.ascii_lowercase[number]


def find_kernel():
    return installed() or fetched()


def find_module(kernel, name):
    found = glob.glob(os.path.join(kernel.modules, f"*/kernel/**/{name}.ko"), recursive=True)
    if not found:
        raise RigError(f"User Mode Linux has no module {name} in '{kernel.modules}'")
    return found[0]


def write_initramfs(kernel, init, command, others, path):
    """The init, the command and other files with their libraries, the modules, and the job."""
    files = Files()
    files.add(init, "/init")
    files.add_program(command[0])
    for other in others:
        files.add(other, other)
    job = path + ".job"
    with open(job, "w", encoding="utf-8") as file:
        file.write("".join(word + "\n" for word in command))
    files.add(job, "/job")
    for name in MODULES:
        files.add(find_module(kernel, name), f"/modules/{name}.ko")
    with open(path, "wb") as file:
        archive = Archive(file)
        archive.link_as_on_host()
        files.write(archive)
        archive.close()


def command_line(kernel, initramfs, disks, directory):
    """The kernel keeps its memory in TMPDIR, from where it must be able to execute: /dev/shm."""
    return ([kernel.program, f"mem={MEMORY_MIB}M", f"initrd={initramfs}", "con=null",
             "con0=fd:0,fd:1", "quiet", "panic=-1", "umid=crash", f"uml_dir={directory}/"] +
            [f"ubd{number}r={disk}" for number, disk in enumerate(disks)])


def start(kernel, initramfs, disks, directory):
    """A process whose standard output is the console. Disks are /dev/ubda and so on, read-only."""
    return subprocess.Popen(command_line(kernel, initramfs, disks, directory),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
                            env={**os.environ, "TMPDIR": "/dev/shm"})
