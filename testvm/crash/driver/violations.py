# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is kept of a violation, and looking at it again."""
import json
import os
import shutil
import subprocess

import checking
from common import RigError, run_checked
from recording import RUN, Recording, copy as copy_image

DRIVER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "crash")


def keep(bad, programs, directory, say):
    """A directory with the recording, the state's image and what was said."""
    source = bad.recording
    name = f"{source.filesystem}-{os.path.basename(source.directory)}-{bad.state}"
    place = os.path.join(os.path.abspath(directory), name.replace(":", "-"))
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source.directory, place, ignore=shutil.ignore_patterns("base", "jobs"))
    copy_image(source.base, os.path.join(place, "base"))
    kept = Recording.load(place)
    if bad.state != "live":
        run_checked([programs.states, *kept.arguments(), "image", bad.state,
                     os.path.join(place, "image")])
    with open(os.path.join(place, "history"), "wb") as file:
        file.write(run_checked([programs.states, *kept.arguments(), "marks"]))
    note(place, bad.state, bad.lines, say)
    return place


def note(place, state, lines, say):
    """What was found in what is kept there."""
    with open(os.path.join(place, "violation.json"), "w", encoding="utf-8") as file:
        json.dump({"state": state, "lines": lines}, file, indent=1)
    say(f"VIOLATION, kept in {place}, state {state}:\n  " + "\n  ".join(lines))
    say(f"  again: {DRIVER} replay {place}")


def load(place):
    with open(os.path.join(place, "violation.json"), encoding="utf-8") as file:
        return Recording.load(place), json.load(file)["state"]


def replay(place, backend, say):
    recording, state = load(place)
    options = [] if state == "live" else ["--state", state]
    outcome = checking.check(backend, [checking.Task(recording, 0, *options)])[0]
    for bad in outcome.bad:
        say(f"violation in state {bad.state}:\n  " + "\n  ".join(bad.lines))
    if not outcome.bad:
        say(f"no violation in state {state}")
    return 1 if outcome.bad else 0


def image_of(place):
    path = os.path.join(place, "image")
    if not os.path.exists(path):
        raise RigError(f"'{place}' has no image: it was wrong without any crash")
    return path


def shell(place, programs):
    """A shell in a guest that has the image as /dev/vda. A copy, so that it stays what it is."""
    recording, _ = load(place)
    copy = image_of(place) + ".shell"
    copy_image(image_of(place), copy)
    print(f"The disk is /dev/vda: mount -t {recording.filesystem} /dev/vda /mnt")
    try:
        return subprocess.call([RUN, "--shell", "--module", recording.filesystem, "--module",
                                "loop", "--disk", copy, "--add", programs.check])
    finally:
        os.unlink(copy)


def mount(place):
    """On the host, as root; a copy here too."""
    recording, _ = load(place)
    copy, where = image_of(place) + ".mounted", os.path.join(place, "mount")
    copy_image(image_of(place), copy)
    os.makedirs(where, exist_ok=True)
    options = "loop,nouuid" if recording.filesystem == "xfs" else "loop"
    run_checked(["mount", "-t", recording.filesystem, "-o", options, copy, where])
    print(f"mounted on {where}; in the end: umount {where}")
    return 0
