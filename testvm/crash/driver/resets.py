# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resets of a running guest, many times on the same disks: each boot recovers the pools, compares
them with the marks from before the reset, and goes on with a random workload until the next one.

The marks are on the disk, past the end of the filesystem. They are read after each reset, and given
to the next boot as a file. Until that has recovered all, which its own marks show, they stay."""
import collections
import concurrent.futures
import math
import os
import random
import re
import shutil
import tempfile
import time

import recording as recordings
import violations
from common import RIG_FAILED, RigError
from exploration import noise_of, place_for_recordings
from guest_boot import LIMIT_SECONDS, Boot

STATE = "reset"  # in place of a crash state's name
# Each way, and what testvm/run says then.
WAYS = {"sysrq b": "the guest was reset", "sysrq c": "kernel panicked",
        "system_reset": "the guest was reset", "SIGKILL": "killed by signal 9"}
ACTS_MAX = 30  # at most so many operations, then so many seconds
SECONDS_MAX = 1
EARLY_ONE_IN = 8  # of those that the host makes: while it is being recovered
MARKS_BYTES = 64 << 20  # sparse
SECTOR, MAGIC = 512, b"RIGMARK1 "
ENDLESS, REPLAY_ACTS = 10 ** 9, 200
DAY_SECONDS = 24 * 3600
BOOT_TURNS = 3


def read_marks(path, start):
    """One a sector, up to the first sector that is none."""
    marks = []
    with open(path, "rb") as file:
        file.seek(start)
        while (sector := file.read(SECTOR)).startswith(MAGIC):
            marks.append(sector[len(MAGIC):].split(b"\0")[0].decode())
    return marks


class Disk:
    """A filesystem that outlives its guests. Its directory has `disk`, `image`: the disk as the
    last boot found it, and `history`: what was marked before the last reset."""

    def __init__(self, recording):
        self.recording, self.filesystem = recording, recording.filesystem
        self.name = os.path.basename(recording.directory)
        self.resets = self.in_operation = self.in_recovery = self.operations = 0

    @staticmethod
    def make(filesystem, directory, mistake):
        recording = recordings.prepare(directory, filesystem, [], mistake=mistake)
        os.unlink(recording.base)
        os.unlink(recording.log)
        disk = Disk(recording)
        disk.clear_marks()
        return disk

    @property
    def history(self):
        return os.path.join(self.recording.directory, "history")

    @property
    def image(self):
        return os.path.join(self.recording.directory, "image")

    @property
    def history_in_guest(self):
        return "/history-" + self.name

    def clear_marks(self):
        os.truncate(self.recording.disk, self.recording.data_end)
        os.truncate(self.recording.disk, self.recording.data_end + MARKS_BYTES)

    def prepare_boot(self, programs, seed, acts, acts_before):
        recordings.copy(self.recording.disk, self.image)
        self.recording.noise = noise_of(seed) if acts else None
        after = ["--after", self.history_in_guest] if os.path.exists(self.history) else []
        self.recording.command = [programs.workload, "--own-clock", "1", "--seed", str(seed),
                                  "--acts", str(acts), "--ready-after",
                                  str(acts_before), "--name", self.name, *after, "pool"]

    def after_reset(self):
        marks = read_marks(self.recording.disk, self.recording.data_end)
        self.clear_marks()
        if "ready" not in marks:
            self.in_recovery += 1
            return
        self.resets += 1
        self.in_operation += marks[-1].startswith("begin ")
        self.operations += sum(mark.startswith("done ") for mark in marks)
        with open(self.history, "w", encoding="utf-8") as file:
            file.write("".join(mark + "\n" for mark in marks))

    def keep(self, directory, name, lines, say):
        """What the boot had that found something wrong."""
        place = os.path.join(directory, f"reset-{self.name}-{name}")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        for path in (self.image, self.history):
            if os.path.exists(path):
                recordings.copy(path, place)
        recordings.Recording(**{**self.recording.__dict__, "directory": place}).save()
        violations.note(place, STATE, lines, say)


class Reset:
    """The next one: in which way, and when."""

    def __init__(self, way, rng):
        self.way = way
        self.is_ours = not way.startswith("sysrq")  # else the guest does it itself
        self.is_early = self.is_ours and rng.randrange(EARLY_ONE_IN) == 0
        self.seconds = rng.uniform(0, SECONDS_MAX)

    def stage_options(self):
        if self.is_ours:
            return []
        return ["--sysrq", self.way[-1], "--after", str(int(self.seconds * 1000))]

    def follow(self, boot):
        """From its beginning to its end; returns its exit status."""
        if self.is_ours and boot.read_until("@ begin" if self.is_early else "@ ready"):
            time.sleep(self.seconds)
            boot.kill() if self.way == "SIGKILL" else boot.order("system_reset")
        return boot.finish()


def boot_disks(disks, programs, place, clock, stage_options):
    """A guest in which all their programs run at once."""
    inputs = [disk.recording for disk in disks]
    jobs = recordings.write_jobs(inputs, programs)
    command = recordings.boot_command(inputs, programs, jobs, LIMIT_SECONDS, (), logged=False)
    end = command.index("--")
    histories = [word for disk in disks if os.path.exists(disk.history)
                 for word in ("--add", f"{disk.history}:{disk.history_in_guest}")]
    return Boot([*command[:end], *histories], place,
                [*command[end:], "--together", "1", "--clock", str(clock), *stage_options, "/jobs"])


def complaints(disks, lines):
    """Of each disk that has some."""
    found = {}
    for number, disk in enumerate(disks):
        start = f"@ {disk.name} bad "
        bad = [line[len(start):] for line in lines if line.startswith(start)]
        has_failed = any(re.fullmatch(rf"@ job {number} [1-9]\d*", line) for line in lines)
        if bad or has_failed:
            found[disk] = bad or lines[-20:]
    return found


class Series:
    """One guest after the other, on the same disks."""

    def __init__(self, programs, options, number, work, say):
        self.programs, self.seed, self.say = programs, options.seed + 10_000 * number, say
        self.keep = options.violations
        self.random = random.Random(self.seed)
        self.work = os.path.join(work, str(number))
        self.disks = [Disk.make(kind, os.path.join(self.work, f"{kind}-{number}"),
                                options.mistake)
                      for kind in options.fs for number in range(options.disks)]
        self.disk_seed = self.seed
        self.clock, self.boots = int(time.time()), 0
        self.ways = collections.Counter()
        self.order = list(WAYS)[2 * number % len(WAYS):] + list(WAYS)[:2 * number % len(WAYS)]
        self.violations, self.has_to_stop = 0, False

    def boot(self, reset):
        """Without a reset it only recovers and compares. False where something was wrong. On a
        busy host a guest may not come up; then nothing was done to the disks."""
        for turn in range(1, BOOT_TURNS + 1):
            boot, status = self.boot_once(reset)
            if turn == BOOT_TURNS or boot.has_said("@ begin"):
                return self.judge(boot, status, reset)
            why = [line for line in boot.lines if "Kernel panic" in line] or boot.lines
            self.say("  a guest did not come up: " + " ".join(why[-1:]))

    def boot_once(self, reset):
        self.clock += DAY_SECONDS
        for disk in self.disks:
            self.disk_seed += 1  # of its workload
            disk.prepare_boot(self.programs, self.disk_seed, ENDLESS if reset else 0,
                              self.random.randrange(ACTS_MAX))
        with tempfile.TemporaryDirectory(dir=self.work) as work, \
                boot_disks(self.disks, self.programs, os.path.join(work, "boot"), self.clock,
                           reset.stage_options() if reset else []) as boot:
            return boot, reset.follow(boot) if reset else boot.finish()

    def judge(self, boot, status, reset):
        self.boots += 1
        found = complaints(self.disks, boot.lines)
        for disk, lines in found.items():
            disk.keep(self.keep, f"{self.seed}-{self.boots}", lines, self.say)
        self.violations += len(found)
        wanted = WAYS[reset.way] if reset else "@ ready"
        is_as_meant = status == (RIG_FAILED if reset else 0) and boot.has_said(wanted)
        if not found and not is_as_meant:
            raise RigError(f"a guest ended with {status}:\n" + "\n".join(boot.lines[-20:]))
        return not found

    def run(self, count, end):
        """Until each disk was reset so many times in the middle of its workload."""
        while min(disk.resets for disk in self.disks) < count and not self.has_to_stop \
                and time.monotonic() < end:
            reset = Reset(self.order[self.boots % len(WAYS)], self.random)
            if not self.boot(reset):
                return
            self.ways[reset.way] += 1
            for disk in self.disks:
                disk.after_reset()
            self.say(f"  guest {self.seed}: reset {self.boots} times")
        self.boot(None)

    def run_or_stop(self, count, end, everybody):
        """All of them stop where one finds something, or fails."""
        is_fine = False
        try:
            self.run(count, end)
            is_fine = not self.violations
            return self
        finally:
            for one in everybody:
                one.has_to_stop = one.has_to_stop or not is_fine


def run(programs, options, count, say, seconds=math.inf):
    """So many of each filesystem, over all guests, but no more when the time is over. Returns the
    number of violations."""
    begin = time.monotonic()
    guests = min(options.jobs, -(-count // options.disks))
    each = -(-count // (guests * options.disks))
    with tempfile.TemporaryDirectory(prefix="crash-", dir=place_for_recordings()) as work, \
            concurrent.futures.ThreadPoolExecutor(guests) as pool:
        series = [Series(programs, options, number, work, say) for number in range(guests)]
        done = list(pool.map(lambda one: one.run_or_stop(each, begin + seconds, series), series))
    for kind in options.fs:
        disks = [disk for one in done for disk in one.disks if disk.filesystem == kind]
        sums = {name: sum(getattr(disk, name) for disk in disks)
                for name in ("resets", "in_operation", "in_recovery", "operations")}
        say(f"  {kind}: {sums['resets']} resets of {len(disks)} disks in the middle of workloads, "
            f"{sums['in_operation']} of them within an operation, {sums['in_recovery']} more "
            f"before all was recovered; {sums['operations']} operations")
    ways = ", ".join(f"{sum(one.ways[way] for one in done)} by {way}" for way in WAYS)
    found = sum(one.violations for one in done)
    say(f"resets: {ways}; {time.monotonic() - begin:.0f} s; {found or 'no'} violations")
    return found


def replay(place, programs, say):
    """Recovered and compared once more, from a copy of the disk, then a part of the workload."""
    with tempfile.TemporaryDirectory(prefix="crash-", dir=place_for_recordings()) as work:
        copy = os.path.join(work, "copy")
        shutil.copytree(place, copy, ignore=shutil.ignore_patterns("mount*"))
        disk = Disk(recordings.Recording.load(copy))
        os.rename(disk.image, disk.recording.disk)
        disk.clear_marks()
        command = disk.recording.command
        command[0] = programs.workload
        for option, value in (("--acts", str(REPLAY_ACTS)), ("--name", disk.name),
                              ("--after", disk.history_in_guest)):
            if option in command:
                command[command.index(option) + 1] = value
        clock = int(time.time()) + 365 * DAY_SECONDS
        with boot_disks([disk], programs, os.path.join(work, "boot"), clock, []) as boot:
            boot.finish()
    found = complaints([disk], boot.lines)
    for lines in found.values():
        say("violation after a reset:\n  " + "\n  ".join(lines))
    if not found:
        say("no violation")
    return 1 if found else 0
