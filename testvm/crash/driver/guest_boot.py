# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that is watched while it runs, and may be reset."""
import json
import os
import select
import signal
import socket
import subprocess
import time

from common import RigError, die_with_parent

LIMIT_SECONDS = 600


class Boot:
    """testvm/run, with QEMU's process number and the socket of its monitor in `place`."""

    def __init__(self, command, place, program):
        self.place, self.lines, self.rest = place, [], b""
        self.end = time.monotonic() + LIMIT_SECONDS
        self.process = subprocess.Popen(
            [*command, "--keep", place, "--qmp", os.path.join(place, "qmp"), *program],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """By the signal that lets `run` end QEMU first."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def has_said(self, text):
        return any(text in line for line in self.lines)

    def read_until(self, wanted):
        """False where it ended before it said this line."""
        while wanted not in self.lines:
            left = self.end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RigError("a guest hangs:\n" + "\n".join(self.lines[-20:]))
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                return False
            *lines, self.rest = (self.rest + piece).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in lines]
        return True

    def kill(self):
        with open(os.path.join(self.place, "pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)

    def order(self, name):
        """To QEMU's monitor; then until QEMU is gone."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(os.path.join(self.place, "qmp"))
            for one in ("qmp_capabilities", name):
                monitor.sendall(json.dumps({"execute": one}).encode() + b"\n")
            try:
                while monitor.recv(4096):
                    continue
            except ConnectionResetError:
                pass

    def finish(self):
        """Its exit status, when it has said all. QEMU is gone then."""
        self.read_until(None)
        return self.process.wait()
