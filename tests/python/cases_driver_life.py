# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver for the Qubes daemon: what happens to machines, not one verb after the other."""
import asyncio
import contextlib
import os
import subprocess

from daemon import Daemon, content, fails, session, wait, write
from harness import test
from place import MIB, SLOWNESS, claim, equal
from qubes.storage import ENCRYPTION
from qubesstorage.qubes_driver import DriverError


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


# ---- Sessions -----------------------------------------------------------------------------------


@contextlib.contextmanager
def loop_device(path):
    """As the VM has the file."""
    name = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True,
                          text=True).stdout.strip()
    try:
        yield name
    finally:
        subprocess.run(["losetup", "--detach", name], check=True)


def size_of_device(name):
    with open(f"/sys/block/{os.path.basename(name)}/size", encoding="ascii") as file:
        return int(file.read()) * 512


@test()
def a_session_of_an_origin_snapshot_is_resumed(place):
    daemon = Daemon(place).created()
    session(daemon.template, b"tmpl1")
    wait(daemon.both.start())
    write(daemon.both, b"guest")
    session(daemon.template, b"tmpl2")
    wait(daemon.both.start())
    equal([content(daemon.both.path), daemon.both.is_dirty()], [b"guest", True], "resumed")
    wait(daemon.both.stop())
    wait(daemon.both.start())
    equal(content(daemon.both.path), b"tmpl2", "a new one starts from the source")
    # Also when the source is not there any more.
    write(daemon.both, b"later")
    wait(daemon.template.remove())
    fails(daemon.snapshot.start())
    wait(daemon.both.start())
    wait(daemon.both.stop())
    equal(content(daemon.path(".img", daemon.both.vid)), b"later", "committed")


@test()
def what_has_no_history_is_not_reverted(place):
    daemon = Daemon(place).created()
    for volume in (daemon.snapshot, daemon.volatile):
        for started in (False, True):
            if started:
                wait(volume.start())
            for revision in (None, "1"):
                equal(fails(volume.revert(revision)).code.name, "NOT_SUPPORTED", "code")
            equal(volume.revisions, {}, "revisions")
        claim(os.path.exists(volume.path), "the session is gone")
        wait(volume.stop())


@test()
def resized_while_it_runs(place):
    """With the devices that the VM has; and by who looks at the size at the same time."""
    daemon = Daemon(place).created()
    for volume in daemon.machine:
        wait(volume.start())
        with loop_device(volume.path) as first, loop_device(volume.path) as second:
            write(volume, b"guest")
            wait(volume.resize(24 * MIB))
            equal([size_of_device(first), size_of_device(second), volume.size],
                  [24 * MIB] * 3, "of the devices, and the volume")
            fails(volume.resize(20 * MIB))
            equal(size_of_device(first), 24 * MIB, "after a refusal")
        wait(volume.stop())
    equal([content(daemon.path(".img")), daemon.origin.size], [b"guest", 24 * MIB], "committed")
    # A snapshot has what it was resized to, or the size of its source if that is larger.
    wait(daemon.snapshot.start())
    equal(daemon.snapshot.size, 24 * MIB, "as it was resized")
    wait(daemon.snapshot.stop())
    wait(daemon.template.resize(40 * MIB))
    wait(daemon.snapshot.start())
    equal(daemon.snapshot.size, 40 * MIB, "as the source")


@test()
def ephemeral_volumes(place):
    """The daemon starts them with a layer of encryption over the file, which is not the driver's;
    so it needs start, path, size and stop only."""
    daemon = Daemon(place, ephemeral_volatile=True).created()
    volume = daemon.volatile
    claim(volume.ephemeral and not daemon.origin.ephemeral, "ephemeral")
    name = volume.encrypted_volume_path("work", "xvdc")
    for _ in range(2):
        wait(volume.start_encrypted(name))
        try:
            equal(content(volume.path), bytes(5), "it begins empty")
            with open(ENCRYPTION.devices[name], "r+b") as device:
                device.write(b"guest")
                os.fsync(device.fileno())
            equal(content(volume.path), b"guest", "what the VM has written")
            wait(volume.resize(volume.size + 4 * MIB))
            equal(size_of_device(ENCRYPTION.devices[name]), volume.size, "resized")
        finally:
            wait(volume.stop_encrypted(name))
        claim(not os.path.exists(volume.path), "the session stays")
    equal(volume.size, 24 * MIB, "size")


@test()
def identity_of_volumes(place):
    """The daemon compares volumes, has them in sets, and shows them."""
    daemon, again, other = Daemon(place), Daemon(place), Daemon(place, "other")
    equal([str(daemon.origin), str(daemon.pool)], ["appvms/work/private", "pool"], "shown")
    claim(daemon.origin == again.origin and daemon.origin is not again.origin, "the same volume")
    claim(daemon.origin != daemon.both and daemon.origin != other.origin, "another")
    claim(daemon.origin != "appvms/work/private", "a volume is no string")
    equal(len({daemon.origin, again.origin, daemon.both, other.origin}), 3, "in a set")
    equal(list(daemon.pool.volumes), [daemon.template, *daemon.machine], "volumes")


# ---- Crashes, and the end of machines -----------------------------------------------------------


@test()
def a_crash_without_snapshots(place):
    """The image is the session then, and there is no other. The daemon begins anew, asks, and stops
    whatever does not run; also where somebody has enabled snapshots meanwhile."""
    for keep in (-1, 1):
        daemon = Daemon(place, f"keep{keep}").created()
        session(daemon.origin, b"one..")
        daemon.origin.revisions_to_keep = -1
        wait(daemon.origin.start())
        write(daemon.origin, b"two..")
        again = Daemon(place, f"keep{keep}")
        again.volume("work", "private", save_on_stop=True, revisions_to_keep=keep)
        volume = again.pool.get_volume("appvms/work/private")
        claim(not os.path.exists(again.path(".img")), "the session is a copy")
        # The peer finds no image then, until a stop; and none at all in the second case.
        equal([wait(volume.verify()), volume.is_dirty(), volume.size], [True, True, 16 * MIB],
              "verify, is_dirty, size")
        wait(volume.stop())
        equal([content(again.path(".img")), wait(volume.verify())], [b"two..", True], "stopped")
        session(volume, b"three")
        equal(content(again.path(".img")), b"three", "it goes on")


@test()
def removed_while_it_runs_and_again(place):
    """As for the peer; what the VM has open stays its own."""
    daemon = Daemon(place).created()
    for volume in (*daemon.machine, daemon.template):
        wait(volume.start())
        with open(volume.path, "r+b") as guest:
            claim(wait(volume.remove()) is volume, "remove returns the volume")
            guest.write(b"guest")
        claim(volume not in daemon.pool.volumes, "it is known still")
        claim(wait(volume.remove()) is volume, "again")
        wait(volume.stop())
    equal(daemon.names(), [], "left")
    # A new one of that name has nothing of it.
    volume = daemon.volume("work", "private", save_on_stop=True)
    wait(volume.create())
    wait(volume.start())
    equal(content(volume.path), bytes(5), "anew")


# ---- At once ------------------------------------------------------------------------------------


async def at_once(*coroutines):
    """What each gives, or its exception."""
    return await asyncio.wait_for(asyncio.gather(*coroutines, return_exceptions=True),
                                  60 * SLOWNESS)


@test()
def two_verbs_at_once_on_one_volume(place):
    """One waits for the other, also where the daemon has two objects for it; the state is that of
    some order of them."""
    daemon = Daemon(place, revisions_to_keep=99).created()
    twin = Daemon(place, revisions_to_keep=99).origin
    for number in range(10):
        text, before = b"%05d" % number, len(twin.revisions)
        equal(asyncio.run(at_once(daemon.origin.start(), daemon.origin.start(), twin.start())),
              [daemon.origin, daemon.origin, twin], "three starts")
        write(daemon.origin, text)
        equal(asyncio.run(at_once(daemon.origin.stop(), twin.stop(), daemon.origin.stop())),
              [daemon.origin, twin, daemon.origin], "three stops")
        equal([content(daemon.path(".img")), len(twin.revisions)], [text, before + 1],
              "committed, once")
        results = asyncio.run(at_once(daemon.origin.start(), twin.resize(twin.size + MIB),
                                      daemon.origin.import_data(MIB), twin.verify()))
        claim(results[1] is twin and results[3] is True, f"resize and verify: {results}")
        started, imported = results[0] is daemon.origin, isinstance(results[2], str)
        claim(started != imported, f"a session and an import: {results}")
        wait(daemon.origin.import_data_end(False))
        wait(daemon.origin.stop())
        equal([content(daemon.path(".img")), twin.size], [text, (17 + number) * MIB], "after all")


@test()
def a_machine_of_which_one_volume_fails(place):
    """The daemon starts all volumes at once. Those that did start stay so, as it does not stop
    them; when it begins anew it does, and the next start works."""
    daemon = Daemon(place).created()
    session(daemon.origin, b"mine.")
    os.rename(daemon.path(".img", daemon.template.vid), daemon.path("-away", daemon.template.vid))
    results = asyncio.run(at_once(*(volume.start() for volume in daemon.machine)))
    equal([result is volume for result, volume in zip(results, daemon.machine)],
          [True, False, True, False], "origin, snapshot, volatile, both")
    for result in (results[1], results[3]):
        equal([type(result), result.code.name], [DriverError, "NOT_FOUND"], "what failed")
    equal([os.path.exists(volume.path) for volume in daemon.machine],
          [True, False, True, False], "sessions")
    # What the VM never wrote to costs no revision; nor do volumes that never started.
    again = Daemon(place)
    before = again.origin.revisions
    for result, volume in zip(asyncio.run(at_once(*(v.stop() for v in again.machine))),
                              again.machine):
        claim(result is volume, f"stop: {result!r}")
    equal([content(again.path(".img")), again.origin.revisions], [b"mine.", before], "after that")
    os.rename(daemon.path("-away", daemon.template.vid), daemon.path(".img", daemon.template.vid))
    results = asyncio.run(at_once(*(volume.start() for volume in again.machine)))
    equal(results, again.machine, "all of them")
