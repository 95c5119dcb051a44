# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random workloads, recorded and checked until the time is over."""
import collections
import concurrent.futures
import os
import shutil
import tempfile
import time

import checking
import host
import recording as recordings
import violations
from common import RigError

ACTS = 70
PER_FILESYSTEM = 2  # recordings in one boot
# How often something foreign happens before and after each call, in percent; without any too.
NOISE_PERCENT = (25, 0, 10, 50)


class Programs:
    """What `make` has built."""

    def __init__(self, build):
        self.directory = os.path.join(os.path.abspath(build), "testvm", "crash")
        for name in ("check", "stage", "workload", "states", "uml_init", "file"):
            setattr(self, name, os.path.join(self.directory, "crash-" + name))
        self.preload = os.path.join(self.directory, "crash-preload.so")


class Totals:
    def __init__(self, filesystems):
        self.checked = dict.fromkeys(filesystems, 0)
        self.left = dict.fromkeys(filesystems, 0)
        self.recordings = dict.fromkeys(filesystems, 0)
        self.kernels = collections.Counter()  # how many recordings of each
        self.seconds = 0.0
        self.violations = 0

    def add(self, outcome):
        kind = outcome.recording.filesystem
        self.checked[kind] += outcome.checked
        self.left[kind] += outcome.left
        self.recordings[kind] += 1
        self.kernels[outcome.recording.kernel] += 1
        self.seconds += outcome.seconds
        self.violations += len(outcome.bad)

    def line(self):
        parts = [f"{count}{' states' if number == 0 else ''} on {kind}"
                 for number, (kind, count) in enumerate(self.checked.items())]
        return f"crash: {', '.join(parts)}, {self.violations} violations"


def workload(programs, seed, acts=ACTS, *options, own_clock=True):
    """The clock of a guest is its own, so the workload may turn it."""
    return [programs.workload, "--own-clock", str(int(own_clock)), "--seed", str(seed), "--acts",
            str(acts), *options, "pool"]


def noise_of(seed):
    percent = NOISE_PERCENT[seed % len(NOISE_PERCENT)]
    return f"seed={seed},percent={percent}" if percent else None


def record_batch(programs, filesystems, seeds, work, mib=None, on_host=False):
    batch = []
    for seed in seeds:
        for kind in filesystems:
            directory = os.path.join(work, f"{kind}-{seed}")
            command = workload(programs, seed, own_clock=not on_host)
            batch.append(recordings.prepare(directory, kind, command, mib=mib,
                                            noise=noise_of(seed)))
    # A workload that failed has said so in its marks, which the checks read.
    (host if on_host else recordings).capture(batch, programs)
    return batch


def kernels(wanted):
    """Those to record on."""
    if wanted == ["auto"]:
        return ["guest", "host"] if host.works() else ["guest"]
    if "host" in wanted and not host.works():
        raise RigError("recording on the host needs root, loop devices, FUSE and " + host.DAEMON)
    return list(wanted)


class Exploration:
    def __init__(self, programs, backend, options, say):
        self.programs, self.backend, self.say = programs, backend, say
        self.filesystems, self.jobs, self.mib = options.fs, options.jobs, options.mib
        self.seed, self.keep = options.seed, options.violations
        self.kernels = kernels(options.kernels)  # in turn
        self.totals = Totals(options.fs)
        self.kept = []

    def next_batch(self, work):
        seeds = range(self.seed, self.seed + PER_FILESYSTEM)
        self.seed += PER_FILESYSTEM
        place = tempfile.mkdtemp(dir=work)
        self.kernels.append(self.kernels.pop(0))
        return place, record_batch(self.programs, self.filesystems, seeds, place, self.mib,
                                   on_host=self.kernels[-1] == "host")

    def run(self, seconds):
        """While one batch is checked the next one is recorded."""
        end = time.monotonic() + seconds
        with tempfile.TemporaryDirectory(prefix="crash-", dir=place_for_recordings()) as work, \
                concurrent.futures.ThreadPoolExecutor(1) as recorder:
            coming = recorder.submit(self.next_batch, work)
            while True:
                place, batch = coming.result()
                begin = time.monotonic()
                rest = max(2.0, end - begin)
                coming = recorder.submit(self.next_batch, work) if rest > 30 else None
                share = rest * self.jobs / len(batch)
                tasks = [checking.Task(recording, share) for recording in batch]
                outcomes = checking.check_all(self.backend, tasks, self.jobs)
                self.take(outcomes, time.monotonic() - begin)
                shutil.rmtree(place)
                if coming is None or self.totals.violations:
                    break

    def take(self, outcomes, seconds):
        checked = sum(outcome.checked for outcome in outcomes)
        self.say(f"  seeds up to {self.seed - 1}: {checked} states in {seconds:.0f} s, "
                 f"{checked / max(seconds, 0.1):.0f} a second")
        for outcome in outcomes:
            self.totals.add(outcome)
            for bad in outcome.bad[:3]:
                self.kept.append(violations.keep(bad, self.programs, self.keep, self.say))


def place_for_recordings():
    """Memory, where there is enough of it."""
    try:
        room = os.statvfs("/dev/shm")
        return "/dev/shm" if room.f_bavail * room.f_frsize > 2 << 30 else None
    except OSError:
        return None
