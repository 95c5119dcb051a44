# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the crash states of recordings, several at once, and adds up what was found."""
import concurrent.futures
import re
import tempfile
import threading

from backends import SCRATCH
from common import RigError

GRACE_SECONDS = 120  # for a boot, and for the state in hand when the time is over
TASKS_MAX = 8  # of one process: User Mode Linux has 16 disks, and each takes two


class Bad:
    def __init__(self, recording, state):
        self.recording, self.state, self.lines = recording, state, []


class Outcome:
    """Of one recording."""

    def __init__(self, recording):
        self.recording, self.bad, self.failure = recording, [], "it said nothing"
        self.named = self.distinct = self.checked = self.left = 0
        self.seconds = 0.0
        self.other = []  # what the kernel said

    def read(self, line):
        if not line.startswith("@ "):
            self.other.append(line)
            return
        kind, _, rest = line[2:].partition(" ")
        numbers = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", rest)}
        if kind == "start":
            self.named, self.distinct = int(numbers["named"]), int(numbers["distinct"])
            self.failure = "it did not come to an end"
        elif kind == "end":
            self.checked, self.left = int(numbers["checked"]), int(numbers["left"])
            self.seconds, self.failure = numbers["seconds"], None
        elif kind == "bad":
            self.bad.append(Bad(self.recording, rest))
        elif kind == "failed":
            self.failure = rest
        elif kind != "status" and self.bad:
            self.bad[-1].lines.append(line[2:])


class Task:
    """A recording to be checked, for about so long (0: all of it)."""

    def __init__(self, recording, seconds=0, *options):
        self.recording, self.seconds, self.options = recording, seconds, list(options)


def timed(tasks):
    """Sets when each has to end: what one does not need the next ones get."""
    end = 0
    for task in tasks:
        end += task.seconds
        if task.seconds:
            task.options += ["--end", f"{end:.1f}"]
    return end


def read_outcomes(process, outcomes, end):
    """The lines of one recording after those of another. When the time is over, no more."""
    watch = threading.Timer(end, process.kill) if end else None
    if watch:
        watch.start()
    todo = iter(outcomes)
    outcome = next(todo)
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip("\r\n")
        outcome.read(line)
        if line.startswith(("@ end ", "@ failed ")):
            outcome = next(todo, outcome)
    if watch:
        watch.cancel()


def check(backend, tasks):
    """In one process. Raises RigError where there is no verdict."""
    outcomes = [Outcome(task.recording) for task in tasks]
    end = timed(tasks)
    with tempfile.TemporaryDirectory(prefix="crash-", dir=SCRATCH) as work:
        process = backend.start(tasks, work)
        try:
            read_outcomes(process, outcomes, end + GRACE_SECONDS if end else 0)
        finally:
            process.kill()
            process.wait()
    for outcome in outcomes:
        if outcome.failure:
            said = "\n".join(line for one in outcomes for line in one.other[-15:])
            raise RigError(f"checking {outcome.recording.directory} in {backend.name}: "
                           f"{outcome.failure}\n{said}")
    return outcomes


def check_all(backend, tasks, jobs):
    """In so many processes at once. Returns the outcomes in the order of the tasks."""
    groups = [tasks[number::jobs] for number in range(jobs)]
    pieces = [group[start:start + TASKS_MAX] for group in groups
              for start in range(0, len(group), TASKS_MAX)]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        outcomes = [one for some in pool.map(lambda piece: check(backend, piece), pieces)
                    for one in some]
    by_recording = {id(one.recording): one for one in outcomes}
    return [by_recording[id(task.recording)] for task in tasks]
