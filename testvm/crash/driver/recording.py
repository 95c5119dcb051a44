# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings: what a program wrote to a filesystem, each block and each flush, from one boot for
many programs."""
import json
import os
import re
import string
import subprocess

from common import RigError, die_with_parent, find_program, run_checked, run_mkfs

MIB = 1 << 20
MARKS_BYTES = MIB  # past the end of the filesystem
DISKS_MAX = 20  # in one guest
# Small, so that a state is made quickly.
FILESYSTEMS = {
    "xfs": {"mib": 32, "options": ["--unsupported"]},
    "btrfs": {"mib": 64, "options": ["-m", "single", "-d", "single"]},
    "ext4": {"mib": 32, "options": []},
}
TEAR_BYTES = 4096  # what a power cut leaves whole: all of them need it (docs/CRASH_MODEL.md)
MKFS_PACKAGE = {"xfs": "xfsprogs", "btrfs": "btrfs-progs", "ext4": "e2fsprogs"}
RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "run")


class Recording:
    """A directory with `base` (the filesystem as it was made), `log` and `recording.json`."""

    def __init__(self, directory, filesystem, data_end, command, noise=None, mistake=None,
                 kernel="the guest's"):
        self.directory, self.filesystem, self.data_end = directory, filesystem, data_end
        self.command, self.noise, self.mistake, self.kernel = command, noise, mistake, kernel

    @property
    def base(self):
        return os.path.join(self.directory, "base")

    @property
    def disk(self):
        """What the guest writes to."""
        return os.path.join(self.directory, "disk")

    @property
    def log(self):
        return os.path.join(self.directory, "log")

    def save(self):
        with open(os.path.join(self.directory, "recording.json"), "w", encoding="utf-8") as file:
            json.dump(self.__dict__, file, indent=1)

    @staticmethod
    def load(directory):
        with open(os.path.join(directory, "recording.json"), encoding="utf-8") as file:
            values = json.load(file)
        return Recording(**{**values, "directory": directory})

    def arguments(self, base=None, log=None):
        """What the programs that handle states are told."""
        return ["--base", base or self.base, "--log", log or self.log, "--data-end",
                str(self.data_end), "--tear", str(TEAR_BYTES)]


def copy(source, target):
    """Of an image, sparse."""
    run_checked(["cp", "--sparse=always", source, target])


def prepare(directory, filesystem, command, mib=None, **how):
    """The filesystem, on a file that is longer than it, for the marks."""
    kind = FILESYSTEMS[filesystem]
    os.makedirs(directory)
    recording = Recording(directory, filesystem, (mib or kind["mib"]) * MIB, command, **how)
    with open(recording.base, "xb") as file:
        file.truncate(recording.data_end)
    options = [] if mib else kind["options"]
    program = find_program("mkfs." + filesystem, MKFS_PACKAGE[filesystem])
    run_mkfs([program, "-q", *options, recording.base])
    os.truncate(recording.base, recording.data_end + MARKS_BYTES)
    copy(recording.base, recording.disk)
    with open(recording.log, "xb"):
        pass
    return recording


def job_line(device, recording, preload):
    words = ["--device", device, "--fs", recording.filesystem, "--marks", str(recording.data_end)]
    if recording.noise or recording.mistake:
        words += ["--preload", preload]
    for name in ("noise", "mistake"):
        if getattr(recording, name):
            words += ["--" + name, getattr(recording, name)]
    words += ["--", *recording.command]
    if any(re.search(r"\s", word) for word in words):
        raise RigError("a word with white space in it: " + " ".join(words))
    return " ".join(words) + "\n"


def write_jobs(recordings, programs, devices=None):
    """The file that crash-stage reads. The guest's devices have the order of the disks."""
    devices = devices or ["/dev/vd" + letter for letter in string.ascii_lowercase]
    path = os.path.join(recordings[0].directory, "jobs")
    with open(path, "w", encoding="utf-8") as file:
        for device, recording in zip(devices, recordings):
            file.write(job_line(device, recording, programs.preload))
    return path


def statuses(said):
    """Of the jobs, by their numbers."""
    return {int(number): int(status) for number, status in
            re.findall(r"^@ job (\d+) (-?\d+)$", said, re.MULTILINE)}


def finish(recording):
    os.unlink(recording.disk)
    recording.save()


def boot_command(recordings, programs, jobs, timeout, tools, logged=True):
    """Ends where the arguments of crash-stage begin, of which /jobs is the last."""
    command = [RUN, "--timeout", str(timeout), "--module", "loop", "--add", jobs + ":/jobs"]
    for kind in sorted({recording.filesystem for recording in recordings}):
        command += ["--module", kind]
    command += ["--add", programs.preload]
    for name in sorted({recording.command[0] for recording in recordings} | set(tools)):
        command += ["--tool", name]
    for recording in recordings:
        log = f",log={recording.log}" if logged else ""
        command += ["--disk", recording.disk + log]
    return command + ["--", programs.stage]


def capture(recordings, programs, timeout=900, tools=()):
    """Runs their programs in one guest, which has these tools too. Returns each exit status."""
    if len(recordings) > DISKS_MAX:
        raise RigError(f"at most {DISKS_MAX} recordings in one boot")
    jobs = write_jobs(recordings, programs)
    command = boot_command(recordings, programs, jobs, timeout, tools) + ["/jobs"]
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, errors="replace", preexec_fn=die_with_parent)
    found = statuses(done.stdout)
    if done.returncode or len(found) != len(recordings):
        raise RigError(f"the guest that records failed ({done.returncode}):\n"
                       f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    for recording in recordings:
        finish(recording)
    return [found[number] for number in range(len(recordings))]
