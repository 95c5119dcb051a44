# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings on the host's own kernel, for root: an older kernel shows what a newer does not, and
the other way round. QEMU's storage daemon exports the disk with its log as a file (FUSE), on which
there is a loop device. The log is the same as that of a guest."""
import contextlib
import json
import os
import re
import subprocess
import time

import recording as recordings
from common import RigError, die_with_parent, run_checked, which
from qemu import Disk, block_nodes

DAEMON = "qemu-storage-daemon"
START_SECONDS, PAUSE_SECONDS = 20, 0.02


def works():
    return os.geteuid() == 0 and which(DAEMON) and os.path.exists("/dev/fuse") \
        and os.path.exists("/dev/loop-control")


def wait_for_export(daemon, path):
    end = time.monotonic() + START_SECONDS
    while not os.path.ismount(path):
        if daemon.poll() is not None or time.monotonic() > end:
            raise RigError(f"{DAEMON} exports nothing")
        time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def logged_device(recording):
    """A loop device whose writes are logged."""
    path = os.path.join(recording.directory, "exported")
    with open(path, "xb"):
        pass
    nodes = block_nodes("disk", Disk(recording.disk, recording.log))
    command = [DAEMON]
    for node in nodes:
        command += ["--blockdev", json.dumps(node)]
    export = {"type": "fuse", "id": "export", "node-name": nodes[-1]["node-name"],
              "mountpoint": path, "writable": True}
    with subprocess.Popen([*command, "--export", json.dumps(export)], stdin=subprocess.DEVNULL,
                          preexec_fn=die_with_parent) as daemon:
        try:
            wait_for_export(daemon, path)
            device = run_checked(["losetup", "--find", "--show", path]).decode().strip()
            try:
                yield device
            finally:
                run_checked(["losetup", "--detach", device])
        finally:
            daemon.terminate()
    os.unlink(path)


def is_complete(recording, programs):
    """Whether the base image and the log make the disk as it is now: nothing was missed."""
    windows = run_checked([programs.states, *recording.arguments(), "marks"]).decode()
    number, writes = re.findall(r"^w(\d+): (\d+) writes$", windows, re.MULTILINE)[-1]
    state = f"w{number}:first:{writes}" if int(writes) else f"w{number}:none"
    image = os.path.join(recording.directory, "whole")
    run_checked([programs.states, *recording.arguments(), "image", state, image])
    done = subprocess.run(["cmp", "-s", "-n", str(recording.data_end), image, recording.disk],
                          check=False)
    os.unlink(image)
    return done.returncode == 0


def capture(batch, programs):
    """As recording.capture(), on the kernel that runs here."""
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(logged_device(recording)) for recording in batch]
        jobs = recordings.write_jobs(batch, programs, devices)
        done = subprocess.run([programs.stage, jobs], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, check=False, preexec_fn=die_with_parent)
        said = done.stdout + done.stderr
    found = recordings.statuses(said)
    if done.returncode or len(found) != len(batch):
        raise RigError(f"recording on the host failed ({done.returncode}):\n{said[-2000:]}")
    for recording in batch:
        if not is_complete(recording, programs):
            raise RigError(f"the log of {recording.directory} does not make the disk")
        recording.kernel = os.uname().release
        recordings.finish(recording)
    return [found[number] for number in range(len(batch))]
