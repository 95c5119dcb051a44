# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver for the Qubes daemon: what happens to machines, not one verb after the other."""
import asyncio
import contextlib
import os
import subprocess

from daemon import Daemon, content, fails, fails_at_once, session, wait, write
from harness import test
from place import MIB, claim, equal


# ---- What is left of other machines -------------------------------------------------------------


@test()
def leftovers_of_another_kind(place):
    """A machine is removed by hand, or a creation fails, and another gets its name."""
    before = Daemon(place).created()
    session(before.origin, b"data.")
    session(before.both, b"both.")
    wait(before.template.create())
    after = Daemon(place)
    volatile = after.volume("work", "private")
    snapshot = after.volume("work", "both", snap_on_start=True, source=after.template)
    for volume in (volatile, snapshot):
        error = fails(volume.start(), f"qubes-storage remove {after.dir_path} {volume.vid}",
                      f"qubes-storage export {after.dir_path} {volume.vid}")
        equal(error.code.name, "INVALID", "code")
    fails(volatile.stop(), "qubes-storage remove")
    equal([content(after.path(".img")), content(after.path(".img", snapshot.vid))],
          [b"data.", b"both."], "nothing is lost by it")
    for volume in (volatile, snapshot):
        claim(wait(volume.create()) is volume, "create returns the volume")
        equal([name for name in after.names() if name.startswith(volume.vid)], [], "left")
        wait(volume.start())
        equal([content(volume.path), volume.revisions], [bytes(5), {}], "it begins anew")
    equal(content(after.path(".img", after.template.vid)), bytes(5), "the source")


@test()
def leftovers_that_somebody_has_open(place):
    daemon = Daemon(place).created()
    for volume in (daemon.volatile, daemon.snapshot):
        wait(volume.start())
        write(volume, b"guest")
        wait(volume.create())
        equal(content(volume.path), b"guest", "the session")
        wait(volume.start())
        equal(content(volume.path), bytes(5), "the next one")
        wait(volume.stop())
        wait(volume.create())
        wait(volume.create())
    # A saved volume is refused, as ever.
    session(daemon.both, b"both.")
    session(daemon.origin, b"mine.")
    fails(daemon.origin.create())
    wait(daemon.both.create())
    equal(content(daemon.path(".img", daemon.both.vid)), b"both.", "of an origin_snapshot")
