# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where crash states are checked: one program, on the host's kernel, in User Mode Linux or in QEMU.

A backend starts a process that checks some recordings, one after the other, and whose output has
the lines of crash-check."""
import os
import string
import subprocess
import time

import uml
from common import RigError, die_with_parent, which
from recording import RUN

SCRATCH = "/dev/shm"


def disk_name(number):
    return "/dev/vd" + string.ascii_lowercase[number]


def popen(command, **options):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, preexec_fn=die_with_parent, **options)


def command(programs, tasks, device, scratch):
    """crash-check for all the tasks; `device` names the disk of a number, or nothing does."""
    words = [programs.check]
    for number, task in enumerate(tasks):
        files = [device(2 * number), device(2 * number + 1)] if device else []
        words += ["--then"] if number else []
        words += [*task.recording.arguments(*files), "--fs", task.recording.filesystem,
                  "--scratch", scratch, *task.options]
        if has_mistakes(tasks):
            words += ["--preload", programs.preload, "--mistake", task.recording.mistake or ""]
    return words


def has_mistakes(tasks):
    """Which are made by the library that is used after a crash as well."""
    return any(task.recording.mistake for task in tasks)


def disks(tasks):
    return [path for task in tasks for path in (task.recording.base, task.recording.log)]


class Host:
    """Loop devices of the host's kernel: for root."""
    name = "host"

    def __init__(self, programs):
        self.programs = programs
        if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
            raise RigError("the host backend needs root and loop devices")

    def start(self, tasks, work):
        return popen(command(self.programs, tasks, None, work))


class Uml:
    """User Mode Linux. The verdict is in the lines: the process has no exit status."""
    name = "uml"

    def __init__(self, programs):
        self.programs, self.kernel = programs, uml.find_kernel()

    def start(self, tasks, work):
        words = command(self.programs, tasks, uml.disk_name, "/scratch")
        initramfs = os.path.join(work, "initramfs")
        others = [self.programs.preload] if has_mistakes(tasks) else []
        uml.write_initramfs(self.kernel, self.programs.uml_init, words, others, initramfs)
        return uml.start(self.kernel, initramfs, disks(tasks), work)


class Qemu:
    """The guest of testvm/run: works everywhere, and is slow without KVM."""
    name = "qemu"

    def __init__(self, programs):
        self.programs = programs
        if not which("qemu-system-x86_64"):
            raise RigError("no qemu-system-x86_64")

    def start(self, tasks, _work):
        words = [RUN, "--timeout", "3600", "--module", "loop"]
        for kind in sorted({task.recording.filesystem for task in tasks}):
            words += ["--module", kind]
        for path in disks(tasks):
            words += ["--disk", path + ",ro"]  # others check it at the same time
        if has_mistakes(tasks):
            words += ["--add", self.programs.preload]
        return popen([*words, "--", *command(self.programs, tasks, disk_name, SCRATCH)])


BACKENDS = {backend.name: backend for backend in (Host, Uml, Qemu)}


def first(wanted, programs):
    """For a few states the rate does not matter."""
    reasons = []
    for kind in (Uml, Host, Qemu) if wanted == "auto" else (BACKENDS[wanted],):
        try:
            return kind(programs)
        except RigError as error:
            reasons.append(f"{kind.name}: {error}")
    raise RigError("no backend works: " + "; ".join(reasons))


def choose(wanted, programs, measure, say):
    """The one asked for, or the fastest of those that work: `measure` says how many states a second
    it checks, and raises RigError where it does not work."""
    if wanted != "auto":
        backend = BACKENDS[wanted](programs)
        say(f"backend {wanted}, as asked for: {measure(backend):.0f} states/s in one process")
        return backend
    best, best_rate = None, 0.0
    for kind in (Uml, Host, Qemu):
        if kind is Qemu and best:
            break  # emulates a processor: never the fastest
        try:
            backend = kind(programs)
            begin = time.monotonic()
            rate = measure(backend)
        except RigError as error:
            say(f"backend {kind.name}: {str(error).splitlines()[0]}")
            continue
        say(f"backend {kind.name}: {rate:.0f} states/s in one process "
            f"({time.monotonic() - begin:.1f} s to find out)")
        if best is None or rate > best_rate:
            best, best_rate = backend, rate
    if best is None:
        raise RigError("no backend works")
    return best
