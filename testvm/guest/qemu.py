# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of the guest: the command line of QEMU, and what comes out of it."""
import json
import os
import pathlib
import select
import shlex
import socket
import struct
import subprocess
import time

from common import RigError, TIMED_OUT, die_with_parent, find_program

# no_timer_check: on a busy host the emulated timer may be late, and the kernel would panic.
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check"
# Nehalem: "max" costs 1.5 s more under emulation, in benchmarks and features nobody needs.
# Random numbers from the processor: else the first to ask for some waits.
PROCESSOR = {"tcg": "Nehalem,+rdrand", "kvm": "host"}
ENDING_SECONDS = 30
PANIC = "Kernel panic"


class Disk:
    def __init__(self, path, log=None, throw_away=False, read_only=False):
        self.path, self.log, self.throw_away = path, log, throw_away
        self.read_only = read_only


class Settings:
    """What a boot is made of; `initrds` are put together by the caller."""

    def __init__(self, **values):
        self.kernel, self.initrd, self.accel = None, None, "tcg"
        self.memory, self.cpus, self.timeout = 512, 1, 300
        self.disks, self.results, self.qmp, self.on_terminal = [], {}, None, False
        self.__dict__.update(values)


def block_nodes(name, disk):
    """What makes a disk, in the block layer; the last node is the disk.

    Every write and flush of the guest must be in the log as such: no discard, no write of zeroes
    (logged in two steps, between which another request can come), a volatile cache (else the guest
    sends no flush), and a count in the log's head after each flush entry and not only each 4096th.
    """
    cache = {"no-flush": disk.throw_away or bool(disk.log)}
    discard = "unmap" if disk.throw_away else "ignore"
    nodes = [{"driver": "file", "node-name": name, "filename": disk.path, "cache": cache,
              "discard": discard, "read-only": disk.read_only}]
    if disk.log:
        nodes += [{"driver": "file", "node-name": name + "-log", "filename": disk.log,
                   "cache": cache},
                  {"driver": "blklogwrites", "node-name": name + "-logged", "file": name,
                   "log": name + "-log", "log-sector-size": 512,
                   "log-super-update-interval": 1}]
    return nodes


def block_options(number, disk):
    nodes = block_nodes(f"disk{number}", disk)
    extra = "" if disk.throw_away else ",discard=off,write-zeroes=off"
    device = f"virtio-blk-pci,drive={nodes[-1]['node-name']},write-cache=on{extra}"
    return [word for node in nodes for word in ("-blockdev", json.dumps(node))] + \
        ["-device", device]


def command_line(settings, console, channel):
    command = [find_program("qemu-system-x86_64", "qemu-system-x86"),
               "-machine", f"q35,accel={settings.accel}", "-cpu", PROCESSOR[settings.accel],
               "-m", str(settings.memory), "-smp", str(settings.cpus),
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-kernel", settings.kernel, "-initrd", settings.initrd, "-append", APPEND,
               "-device", "isa-debug-exit,iobase=0x501,iosize=1",
               "-chardev", f"socket,id=channel,fd={channel}",
               "-device", "virtio-serial-pci",
               "-device", "virtserialport,chardev=channel,name=testvm"]
    if settings.on_terminal:
        command += ["-chardev", f"stdio,id=console,signal=off,logfile={quoted(console)}"]
    else:
        command += ["-chardev", f"file,id=console,path={quoted(console)}"]
    command += ["-serial", "chardev:console"]
    if settings.qmp:
        command += ["-qmp", f"unix:{quoted(settings.qmp)},server=on,wait=off"]
    for number, disk in enumerate(settings.disks):
        command += block_options(number, disk)
    return command


def quoted(path):
    return path.replace(",", ",,")


class Boot:
    """A running guest. `statuses` has what it said of its end, by each of the three ways."""

    def __init__(self, settings, work):
        self.settings = settings
        self.console = os.path.join(work, "console.log")
        self.begun = time.monotonic()
        self.failures, self.status, self.result = [], None, None
        ours, theirs = socket.socketpair()
        with theirs:
            command = command_line(settings, self.console, theirs.fileno())
            with open(os.path.join(work, "command"), "w", encoding="utf-8",
                      errors="surrogateescape") as file:
                file.write(shlex.join(command) + "\n")
            self.messages = os.path.join(work, "qemu.log")
            with open(self.messages, "wb") as messages:
                self.process = subprocess.Popen(
                    command, stdin=None if settings.on_terminal else subprocess.DEVNULL,
                    stdout=None if settings.on_terminal else messages, stderr=messages,
                    pass_fds=[theirs.fileno()], preexec_fn=die_with_parent)
        self.pid_file = os.path.join(work, "pid")  # while it runs
        with open(self.pid_file, "w", encoding="ascii") as file:
            file.write(str(self.process.pid))
        self.channel = ours

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        pathlib.Path(self.pid_file).unlink(missing_ok=True)
        self.channel.close()

    def _left(self):
        if not self.settings.timeout:
            return None
        return self.settings.timeout - (time.monotonic() - self.begun)

    def _receive(self, size):
        """Exactly so many bytes; None at the end, or when the time is over."""
        data = b""
        while len(data) < size:
            left = self._left()
            if left is not None and left <= 0:
                raise TimeoutError
            if not select.select([self.channel], [], [], left)[0]:
                continue
            try:
                part = self.channel.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data

    def _frame(self, kind, content):
        if kind in (b"o", b"e"):
            write_all(1 if kind == b"o" else 2, content)
        elif kind == b"f":
            self.failures.append(content.decode(errors="replace"))
        elif kind == b"g":
            self.result = self.settings.results[os.fsdecode(content)]
            open(self.result, "wb").close()
        elif kind == b"b":
            with open(self.result, "ab") as file:
                file.write(content)
        elif kind == b"s":
            self.status = int(content)
            self.channel.send(b"k")

    def run(self):
        """The program's status, or TIMED_OUT. A guest that ends without one is a RigError."""
        try:
            while True:
                head = self._receive(5)
                content = head and self._receive(struct.unpack("<I", head[1:])[0])
                if content is None:
                    break
                self._frame(head[:1], content)
            self.process.wait(ENDING_SECONDS)
        except (TimeoutError, subprocess.TimeoutExpired):
            self.close()
            return TIMED_OUT
        return self._verdict()

    def _verdict(self):
        """The status is believed only if the channel, the console and QEMU's own status agree."""
        lines = self.console_lines()
        on_console = [line for line in lines if line.startswith("testvm: END ")]
        code = self.process.returncode
        if self.status is None and not on_console:
            raise RigError(self._why_no_status(code))
        agreed = (on_console == [f"testvm: END {self.status}"]
                  and code == ((self.status & 0x7f) << 1 | 1))
        if not agreed:
            raise RigError(f"the guest's statuses differ: {self.status} on the channel, "
                           f"{on_console} on the console, QEMU's own is {code}")
        if self.failures:
            raise RigError("; ".join(self.failures))
        return self.status

    def _why_no_status(self, code):
        with open(self.messages, encoding="utf-8", errors="replace") as file:
            said = file.read().strip()
        if code < 0:
            return f"QEMU was killed by signal {-code}. {said}"
        if code > 0:
            return f"QEMU failed ({code}): {said}"
        if any(PANIC in line for line in self.console_lines()):
            return "the guest's kernel panicked"
        return "the guest was reset or switched off before the program ended"

    def console_lines(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                return file.read().replace("\r", "").split("\n")
        except OSError:
            return []


def write_all(descriptor, content):
    while content:
        content = content[os.write(descriptor, content):]
