# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the rig find what is wrong? Mistakes planted into the library's system calls, which must be
found where a real filesystem shows them, and the library without any, in which nothing may be."""
import os
import tempfile

import checking
import host
import recording as recordings
from exploration import place_for_recordings, workload

ACTS = 60
REPLACEMENTS = 12
SECONDS = {True: 60, False: 5}  # for what is wrong, and what is right; the former ends when found
ALL = ("xfs", "btrfs", "ext4")
# What shows a mistake sooner than any operations do.
OPTIONS = {
    "prune-first": ("--keep-max", "1"),
    "stale-precache": ("--focus", "precaches"),
    "pin-ignored": ("--focus", "precaches"),
    "sync-unnamed": ("--focus", "precaches"),
    "no-clone-sync": ("--focus", "precaches"),
}


class Kind:
    """One thing to be found, or not. Noise hits or misses, so there may be several recordings."""

    def __init__(self, text, where, noise, mistake=None, way=None, wrong=True):
        self.text, self.where, self.noise, self.wrong = text, where, noise, wrong
        self.mistake, self.way = mistake, way

    def command(self, programs, seed, on_host):
        if self.way:
            return [programs.file, "replace", self.way, "f", str(REPLACEMENTS)]
        return workload(programs, seed, ACTS, *OPTIONS.get(self.mistake, ()), own_clock=not on_host)


# Noise: (seed, percent). The library, with mistakes planted into its system calls:
KINDS = (
    # ext4 hides this one most of the time: it writes a file back before it is renamed over another.
    Kind("library, renamed without a sync", ("xfs", "btrfs"), ((4, 25), (2, 25), (3, 25)),
         mistake="no-session-sync"),
    Kind("library, no sync of directories", ALL, ((2, 25), (3, 25)),
         mistake="no-directory-sync"),
    Kind("library, pruned before publishing", ALL, ((3, 25), (2, 25)), mistake="prune-first"),
    Kind("library as it is", ALL, ((2, 25),), wrong=False),
    # A program that replaces a file in ways that are seen in practice:
    Kind("file renamed without a sync", ALL, ((2, 40), (3, 40)), way="unsynced"),
    Kind("file cloned without a sync", ("xfs", "btrfs"), ((2, 40), (3, 40)),
         way="clone-unsynced"),
    Kind("file replaced, the directory not synced", ALL, ((2, 40),), way="no-directory-sync"),
    Kind("file linked and replaced, no sync between", ("btrfs",), ((2, 10), (3, 10), (4, 10)),
         way="backup-no-sync"),
    Kind("file replaced in the right way", ALL, ((2, 40),), way="correct", wrong=False),
)


class Case:
    def __init__(self, kind, filesystem):
        self.kind, self.filesystem = kind, filesystem

    def prepare(self, turn, programs, directory, on_host):
        seed, percent = self.kind.noise[turn]
        return recordings.prepare(directory, self.filesystem,
                                  self.kind.command(programs, seed, on_host),
                                  mistake=self.kind.mistake, noise=f"seed={seed},percent={percent}")


class Verdict:
    def __init__(self, case):
        self.case, self.bad, self.checked, self.distinct = case, None, 0, 0

    def add(self, outcome):
        self.checked += outcome.checked
        self.distinct += outcome.distinct
        self.bad = outcome.bad[0] if outcome.bad else None


def record(cases, turn, programs, work, on_host):
    made = [case.prepare(turn, programs, os.path.join(work, str(number)), on_host)
            for number, case in enumerate(cases)]
    for start in range(0, len(made), recordings.DISKS_MAX):
        (host if on_host else recordings).capture(made[start:start + recordings.DISKS_MAX], programs)
    return made


def judge(verdict, say):
    case = verdict.case
    name = f"{case.filesystem}: {case.kind.text}"
    states = f"{verdict.checked} of {verdict.distinct} states"
    found = bool(verdict.bad)
    if found and verdict.bad.state == "live":
        found = not case.kind.wrong  # no crash was needed: not what was to be found
    if found == case.kind.wrong:
        what = f"found ({verdict.bad.state})" if found else "nothing, as it must be"
        say(f"  self-test: {name}: {what}; {states}")
    elif found:
        said = "\n    ".join(verdict.bad.lines)
        say(f"  self-test FAILED: {name}: a violation in state {verdict.bad.state}; {states}\n"
            f"    {said}")
    else:
        say(f"  self-test FAILED: {name}: not found; {states}")
    return found == case.kind.wrong


def verdicts_on(kinds, programs, backend, filesystems, jobs, on_host=False, seconds=None):
    """The next recording of a case is only made where the ones before it were in vain."""
    seconds = seconds or SECONDS
    verdicts = [Verdict(Case(kind, filesystem)) for kind in kinds for filesystem in filesystems
                if filesystem in kind.where]
    for turn in range(max(len(kind.noise) for kind in kinds)):
        todo = [one for one in verdicts if not one.bad and turn < len(one.case.kind.noise)]
        with tempfile.TemporaryDirectory(prefix="crash-", dir=place_for_recordings()) as work:
            made = record([one.case for one in todo], turn, programs, work, on_host)
            tasks = [checking.Task(recording, 0, "--bad-max", "1", "--seconds",
                                   str(seconds[one.case.kind.wrong]))
                     for one, recording in zip(todo, made)]
            for verdict, outcome in zip(todo, checking.check_all(backend, tasks, jobs)):
                verdict.add(outcome)
    return verdicts


def run(programs, backend, filesystems, jobs, say):
    good = [judge(verdict, say)
            for verdict in verdicts_on(KINDS, programs, backend, filesystems, jobs)]
    say(f"self-test: {sum(good)} of {len(good)} as they must be")
    return all(good)
