# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which mistake shows on which real filesystem: those of the simulation, by their names there, and
further ones."""
import os
import re

import selftest
from common import RigError

SIMULATION = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../../tests/simulation/mistakes.cc")
# As preload/ plants them.
PLANTED = {
    "the oldest revision is pruned before the rename publishes": "prune-first",
    "a precache is never stale": "stale-precache",
    "everything with a ~ is swept": "sweep-too-wide",
    "temporaries are never swept": "nothing-swept",
    "a revision is an unsynced clone": "cloned-revision",
    "the target is removed, then renamed to": "remove-first",
    "a rename is a link and an unlink": "link-then-remove",
    "a session without a write adds a revision": "every-session-counts",
    "equal mtimes are trusted within one tick": "mtime-trusted",
    "every filesystem keeps the order of names": "all-xfs",
    "mtimes are trusted without reflink": "copy-as-reflink",
    "no file is ever synced": "no-file-sync",
    "no directory is ever synced": "no-directory-sync",
    "new files are synced before they have a name": "sync-unnamed",
    "the newest revision is overlooked": "newest-overlooked",
    "every lock is held by somebody": "always-locked",
    "an import is swept though somebody holds it": "locks-ignored",
    "a session is a link to the committed state": "session-is-link",
    "a session found at the start is swept": "session-swept",
    "a precache of a snapshot is never outdated": "pin-ignored",
}
FURTHER = {
    "a session is published without a sync": "no-session-sync",
    "new files are not synced": "no-clone-sync",
    "no sync of the directory between link and rename": "no-middle-sync",
    "no sync of the directory after the rename": "no-last-sync",
}
NOISE = ((2, 25), (4, 40), (5, 10), (6, 25), (7, 40), (8, 0), (9, 25), (10, 40))
SECONDS = 15  # for each recording


def names_of_simulation():
    with open(SIMULATION, encoding="utf-8") as file:
        return re.findall(r'add<\w+>\(all, "([^"]+)"\);', file.read())


def cell(verdict):
    if not verdict.bad:
        return f"no ({verdict.checked} states)"
    return "without a crash" if verdict.bad.state == "live" else "**yes**"


def require_all():
    """The rig can plant each mistake that the simulation has."""
    if list(PLANTED) != names_of_simulation():
        raise RigError("not the mistakes of the simulation: see PLANTED in driver/table.py")


def run(programs, backend, options, say):
    """Not to be found proves little: see the number of states."""
    require_all()
    mistakes = {text: name for text, name in {**PLANTED, **FURTHER}.items()
                if name in (options.mistake or [name])}
    if not mistakes:
        raise RigError(f"no such mistake: {', '.join(options.mistake)}")
    kinds = [selftest.Kind(text, selftest.ALL, NOISE, mistake=name)
             for text, name in mistakes.items()]
    found = {(one.case.kind.text, one.case.filesystem): one for one in
             selftest.verdicts_on(kinds, programs, backend, options.fs, options.jobs,
                                  on_host=options.kernels == ["host"],
                                  seconds={True: SECONDS})}
    say("| mistake | planted as | " + " | ".join(options.fs) + " |")
    say("|---" * (2 + len(options.fs)) + "|")
    for text, name in mistakes.items():
        cells = [cell(found[text, kind]) for kind in options.fs]
        say(f"| {text} | {name} | " + " | ".join(cells) + " |")
