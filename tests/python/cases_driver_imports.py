# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver for the Qubes daemon: what it exports and imports, also when that is cut off."""
import asyncio
import errno
import os
import subprocess

import qubes.storage
import qubesstorage
from daemon import Daemon, content, fails, session, wait, write
from harness import test
from place import MIB, cancel_after, claim, descriptors, equal, raises, rest_of, settled


@test()
def export_by_the_daemon(place):
    daemon = Daemon(place).created()
    session(daemon.origin, b"data.")
    for volume in (daemon.volatile, daemon.snapshot):
        raises(NotImplementedError, wait, volume.export())
        raises(NotImplementedError, wait, volume.import_data(MIB))
    daemon.names()  # what is done in the background has descriptors, too
    before = settled(descriptors)
    path = wait(daemon.origin.export())
    equal(path, daemon.path(".img"), "the path of the committed state")
    wait(daemon.origin.start())
    write(daemon.origin, b"later")
    equal(content(path), b"data.", "while it runs")
    wait(daemon.origin.stop())
    wait(daemon.origin.export_end(path))
    wait(daemon.origin.export_end(path))
    daemon.names()
    equal(rest_of(descriptors, before), before, "descriptors")
    fails(daemon.volume("none", "private", save_on_stop=True).export())


@test()
def import_by_the_daemon(place):
    daemon = Daemon(place).created()
    path = wait(daemon.origin.import_data(4 * MIB))
    equal([path, os.path.getsize(path)], [daemon.path("-import.img"), 4 * MIB], "the path")
    with open(path, "r+b") as file:
        file.write(b"wrong")
    fails(daemon.origin.start(), "import")
    path = wait(daemon.origin.import_data(8 * MIB))
    equal([os.path.getsize(path), content(path)], [8 * MIB, bytes(5)], "replaced")
    with open(path, "r+b") as file:
        file.write(b"right")
    claim(wait(daemon.origin.import_data_end(True)) is daemon.origin, "returns the volume")
    equal([daemon.origin.size, content(daemon.path(".img")), list(daemon.origin.revisions)],
          [8 * MIB, b"right", ["1"]], "imported")
    wait(daemon.origin.import_data(4 * MIB))
    wait(daemon.origin.import_data_end(False))
    equal(daemon.origin.size, 8 * MIB, "given up")
    fails(daemon.origin.import_data_end(True))
    claim(wait(daemon.origin.import_data_end(False)) is daemon.origin, "none to give up: silent")
    fails(daemon.origin.import_data(-1))
    wait(daemon.origin.start())
    fails(daemon.origin.import_data(4 * MIB))
    fails(daemon.origin.import_volume(daemon.template))
    write(daemon.origin, b"mine.")
    wait(daemon.origin.stop())
    equal(content(daemon.path(".img")), b"mine.", "the session was not lost")


class OtherVolume(qubes.storage.Volume):
    """Of another driver, in the old way: without coroutines."""

    ended = None

    def export(self):
        return self.vid

    def export_end(self, path):
        self.ended = path


@test()
def import_from_volumes(place):
    daemon, second = Daemon(place).created(), Daemon(place, "second").created()
    session(daemon.template, b"tmpl.")
    for source in (daemon.template, daemon.origin):
        claim(wait(second.origin.import_volume(source)) is second.origin, "returns the volume")
        equal(content(second.path(".img")), content(daemon.path(".img", source.vid)), "imported")
    for unsaved in (second.volatile, second.snapshot):
        claim(wait(unsaved.import_volume(daemon.template)) is unsaved, "unsaved: the volume")
    raises(NotImplementedError, wait, second.origin.import_volume(daemon.volatile))
    other = OtherVolume("other", qubes.storage.Pool(name="other"), place.image("i", data=b"other",
                                                                               offset=0))
    wait(second.origin.import_volume(other))
    equal([content(second.path(".img")), second.origin.size, other.ended],
          [b"other", 8 * MIB, other.vid], "from another driver")
    missing = OtherVolume("other", qubes.storage.Pool(name="other"), "/nonexistent")
    error = fails(second.origin.import_volume(missing), "cannot read source '/nonexistent'")
    equal([error.errno, error.code.name], [errno.ENOENT, "NOT_FOUND"], "errno and code")
    equal([missing.ended, content(second.path(".img"))], ["/nonexistent", b"other"], "a failure")
    equal([name for name in second.names() if "import" in name], [], "left")
    wait(second.origin.start())


@test()
def sessions_are_committed_before_imports_by_choice(place):
    daemon = Daemon(place, commit_before_import=True).created()
    state_directory, qubes.storage.VOLUME_STATE_DIR = qubes.storage.VOLUME_STATE_DIR, place.root
    try:
        wait(daemon.origin.start())
        write(daemon.origin, b"mine.")
        with open(daemon.origin.state_file, "wb"):
            fails(daemon.origin.import_volume(daemon.template))  # the VM is running
        os.unlink(daemon.origin.state_file)
        wait(daemon.origin.import_volume(daemon.template))
        equal(content(daemon.path(".img")), bytes(5), "imported")
        wait(daemon.origin.revert())
        equal(content(daemon.path(".img")), b"mine.", "the session is a revision")
        daemon.origin.revisions_to_keep = 0
        wait(daemon.origin.start())
        fails(daemon.origin.import_data(MIB))
    finally:
        qubes.storage.VOLUME_STATE_DIR = state_directory


def fill_import(volume, data):
    """As who sends it does. What is sent is large enough for its sync to take a while."""
    path = wait(volume.import_data(4 * MIB))
    with open(path, "r+b") as file:
        file.write(data + os.urandom(2 * MIB))


def can_be_started(daemon, committed):
    """Nothing of an import is left, and nothing bars the volume."""
    equal(content(daemon.path(".img")), committed, "committed")
    wait(daemon.origin.start())
    equal([name for name in daemon.names() if "import" in name], [], "left")
    wait(daemon.origin.stop())


@test()
def the_end_of_an_import_is_cancelled(place):
    """Whether it comes in time or too late, nothing bars the volume afterwards."""
    daemon = Daemon(place).created()
    committed, outcomes = bytes(5), set()
    for times in (1, 2, 3):  # before it has begun: it waits for another process
        fill_import(daemon.origin, b"wrong")
        claim(asyncio.run(cancel_after(daemon.origin.import_data_end(True), 0.05,
                                       os.path.dirname(daemon.path("")), times)), "not cancelled")
        can_be_started(daemon, committed)
    for attempt in range(200):
        text = b"i%04d" % attempt
        fill_import(daemon.origin, text)
        seconds = 0.0005 * (attempt % 4) * (1 + attempt)
        was_cancelled = asyncio.run(cancel_after(daemon.origin.import_data_end(True), seconds,
                                                 times=1 + attempt % 3))
        found = content(daemon.path(".img"))
        claim(found == text or (was_cancelled and found == committed), f"{found} after {committed}")
        can_be_started(daemon, found)
        committed = found
        outcomes.add(was_cancelled)
        if attempt >= 12 and len(outcomes) == 2:
            break
    equal(outcomes, {True, False}, "whether it was cancelled")


@test()
def the_beginning_of_an_import_is_cancelled(place):
    daemon = Daemon(place).created()
    for attempt in range(20):
        directory = os.path.dirname(daemon.path("")) if attempt < 2 else None
        if not asyncio.run(cancel_after(daemon.origin.import_data(4 * MIB), 0.0002 * attempt,
                                        directory, 1 + attempt % 2)):
            wait(daemon.origin.import_data_end(False))
        can_be_started(daemon, bytes(5))


@test()
def the_end_of_an_import_fails(place):
    """Its file was removed by hand; the disk is gone for a while; the filesystem is full."""
    daemon = Daemon(place).created()
    session(daemon.origin, b"mine.")
    for success in (True, False):
        fill_import(daemon.origin, b"wrong")
        os.unlink(daemon.path("-import.img"))
        if success:
            equal(fails(daemon.origin.import_data_end(True)).code.name, "NOT_FOUND", "code")
        else:
            wait(daemon.origin.import_data_end(False))
        can_be_started(daemon, b"mine.")
    for success in (True, False):
        fill_import(daemon.origin, b"wrong")
        os.rename(daemon.dir_path, daemon.dir_path + "-gone")
        equal(fails(daemon.origin.import_data_end(success)).code.name, "OFFLINE", "code")
        os.rename(daemon.dir_path + "-gone", daemon.dir_path)
        can_be_started(daemon, b"mine.")


@test("xfs")
def the_end_of_an_import_has_no_space(place):
    """A tmpfs without one more name: the revision needs one."""
    mount = type(place.mount)("tmpfs", 64 * MIB)
    try:
        daemon = Daemon(place, root=mount.path, setup_check=False).created()
        session(daemon.origin, b"mine.")
        fill_import(daemon.origin, b"wrong")

        def allow(more):
            found = os.statvfs(mount.path)
            names = found.f_files - found.f_ffree + more
            subprocess.run(["mount", "-o", f"remount,nr_inodes={names}", mount.path], check=True)

        allow(0)
        equal(fails(daemon.origin.import_data_end(True)).code.name, "NO_SPACE", "code")
        allow(100)
        can_be_started(daemon, b"mine.")
        fill_import(daemon.origin, b"right")
        wait(daemon.origin.import_data_end(True))
        can_be_started(daemon, b"right")
    finally:
        mount.close()


@test()
def import_into_what_starts_from_a_source(place):
    """An origin_snapshot has the import as its committed state, and as a revision later; its next
    session starts from the source all the same, as with the peer."""
    daemon = Daemon(place).created()
    session(daemon.template, b"tmpl.")
    path = wait(daemon.both.import_data(8 * MIB))
    with open(path, "r+b") as file:
        file.write(b"data.")
    wait(daemon.both.import_data_end(True))
    image = daemon.path(".img", daemon.both.vid)
    equal([content(image), daemon.both.size], [b"data.", 8 * MIB], "imported")
    wait(daemon.both.start())
    equal(content(daemon.both.path), b"tmpl.", "the session")
    fails(daemon.both.import_data(MIB))
    write(daemon.both, b"later")
    wait(daemon.both.stop())
    equal([content(image), len(daemon.both.revisions)], [b"later", 1], "committed")
    wait(daemon.both.import_volume(daemon.template))
    equal(content(image), b"tmpl.", "from a volume")


@test()
def an_import_whose_sender_died(place):
    """It is held by the daemon: the start is refused, and a recovery from outside changes nothing.
    A new import replaces it; so does the end of the daemon."""
    daemon = Daemon(place).created()
    session(daemon.origin, b"mine.")
    for way in ("import", "restart"):
        fill_import(daemon.origin, b"wrong")
        fails(daemon.origin.start(), "import")
        with qubesstorage.Pool(daemon.dir_path) as other:
            other.recover()
        claim(os.path.exists(daemon.path("-import.img")), "a recovery took what is held")
        fails(daemon.origin.start(), "import")
        if way == "import":
            wait(daemon.origin.import_data(MIB))
            wait(daemon.origin.import_data_end(False))
        else:
            daemon.origin.native.close()  # as the end of the process does
            daemon = Daemon(place)
            wait(daemon.origin.stop())
        can_be_started(daemon, b"mine.")
