# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver for the Qubes daemon: the table of its `file-reflink` (docs/PEER.md §1), row by row."""
import errno
import importlib.metadata
import inspect
import os
import types

import qubes.exc
import qubes.storage
from qubes.storage import StoragePoolException
from daemon import Daemon, content, fails, fails_at_once, session, wait, write
from harness import test
from place import MIB, claim, equal, raises
from qubesstorage import DirtyError, qubes_driver
from qubesstorage.qubes_driver import DriverError, ReflinkPool, ReflinkVolume


@test("xfs")
def what_the_daemon_finds(place):
    found = [entry for entry in _entry_points() if entry.name == "file-reflink-native"]
    equal([entry.value for entry in found], ["qubesstorage.qubes_driver:ReflinkPool"],
          "entry points")
    claim(found[0].load() is ReflinkPool, "it does not load")
    # The daemon shows the arguments without `name` as the parameters of the driver.
    parameters = inspect.signature(ReflinkPool.__init__).parameters
    equal({name: p.default is p.empty for name, p in parameters.items()
           if name not in ("self", "name")},
          {"revisions_to_keep": False, "dir_path": True, "setup_check": False,
           "ephemeral_volatile": False, "allow_shrink": False, "commit_before_import": False},
          "parameters, and whether they are required")
    peer = {"create", "remove", "verify", "start", "stop", "revert", "resize", "export",
            "export_end", "import_data", "import_data_end", "import_volume"}
    for name in peer:
        claim(inspect.iscoroutinefunction(getattr(ReflinkVolume, name)), f"{name}")
    claim(inspect.iscoroutinefunction(ReflinkPool.setup), "setup")
    claim(inspect.iscoroutinefunction(ReflinkPool.destroy), "destroy")
    claim(issubclass(ReflinkPool, qubes.storage.Pool), "the pool")
    equal(Daemon(place).pool.driver, qubes_driver.DRIVER, "driver")


def _entry_points():
    found = importlib.metadata.entry_points()
    if hasattr(found, "select"):
        return found.select(group="qubes.storage")
    return found.get("qubes.storage", [])


@test()
def pool_of_the_daemon(place):
    daemon = Daemon(place, revisions_to_keep=2, ephemeral_volatile=True)
    pool = daemon.pool
    equal(pool.config, {"name": "pool", "dir_path": daemon.dir_path,
                        "driver": "file-reflink-native", "revisions_to_keep": 2,
                        "ephemeral_volatile": True}, "config")
    equal(sorted(os.listdir(daemon.dir_path)), ["appvms", "vm-templates"], "setup")
    equal([volume.vid for volume in pool.list_volumes()],
          ["vm-templates/debian/root", "appvms/work/private", "appvms/work/root",
           "appvms/work/volatile", "appvms/work/both"], "list_volumes")
    claim(pool.get_volume("appvms/work/root") is daemon.snapshot, "get_volume")
    raises(KeyError, pool.get_volume, "appvms/work/none")
    claim(0 < pool.usage < pool.size, f"{pool.usage} of {pool.size}")
    equal(pool.usage_details, {"data_usage": pool.usage, "data_size": pool.size}, "usage_details")
    raises(AssertionError, daemon.volume, "work", "private", "elsewhere")
    absent = ReflinkPool(name="absent", dir_path=os.path.join(place.root, "a", "b"))
    equal([absent.size, absent.usage, absent.usage_details], [None, None, {}], "offline")
    equal(fails(absent.setup()).errno, errno.ENOENT, "errno: setup goes one level deep")
    os.symlink("loop", os.path.join(place.root, "loop"))
    odd = ReflinkPool(name="odd", dir_path=os.path.join(place.root, "loop"))
    for name in ("size", "usage", "usage_details"):
        error = fails_at_once(lambda name=name: getattr(odd, name), "cannot ask filesystem")
        equal([error.errno, error.path], [errno.ELOOP, odd.dir_path], "errno and path")
    for options in ({"allow_shrink": "yes"}, {"commit_before_import": "True"}):
        config = Daemon(place, "b", **options).pool.config
        equal([config[name] for name in options], [True], "config of an option")
    raises(DriverError, lambda: ReflinkPool(name="x", dir_path="/x", setup_check="perhaps"))
    wait(pool.destroy())
    claim(os.path.isdir(daemon.dir_path), "destroy keeps the files")


@test("xfs")
def setup_checks_for_reflinks(place):
    mount = type(place.mount)("tmpfs", 16 * MIB)
    try:
        path = os.path.join(mount.path, "pool")
        fails(ReflinkPool(name="p", dir_path=path).setup(), "setup_check=False")
        claim(not os.path.exists(path), "what it made stays")
        for value in (False, "no", "False", "0"):
            pool = ReflinkPool(name="p", dir_path=path, setup_check=value)
            claim(wait(pool.setup()) is pool, "setup returns the pool")
            claim("setup_check" not in pool.config, "it is not stored")
    finally:
        mount.close()


@test()
def which_pool_contains_it(place):
    outer, inner = Daemon(place), Daemon(place, os.path.join("pool", "inner"))
    thin = types.SimpleNamespace(volume_group="vg", thin_pool="pool")
    root = types.SimpleNamespace(dir_path="/")
    app = types.SimpleNamespace(pools={"root": root, "outer": outer.pool, "inner": inner.pool,
                                       "thin": thin, "odd": object()})
    claim(inner.pool.included_in(app) is outer.pool, "not the deepest")
    claim(outer.pool.included_in(app) is root, "not the root")
    del app.pools["root"]
    equal(outer.pool.included_in(app), None, "in none")


@test()
def create_verify_start_stop(place):
    """The columns of the table: volatile, snapshot, origin, origin_snapshot."""
    daemon = Daemon(place)
    for volume in (daemon.origin, daemon.snapshot, daemon.both):
        fails(volume.verify(), "Missing image file", volume.vid)
        equal(fails(volume.start()).errno, errno.ENOENT, "errno")
    daemon.created()
    equal(daemon.names(), ["appvms/work/private.img", "vm-templates/debian/root.img"], "created")
    for volume in (daemon.template, daemon.origin, daemon.snapshot, daemon.volatile, daemon.both):
        equal([wait(volume.verify()), volume.is_dirty(), volume.size], [True, False, 16 * MIB],
              "verify, is_dirty, size")
    session(daemon.template, b"tmpl1")
    for volume in (daemon.volatile, daemon.snapshot, daemon.origin, daemon.both):
        wait(volume.start())
        equal(volume.path, daemon.path("-dirty.img", volume.vid), "path")
        claim(os.path.exists(volume.path), "no session")
    equal([v.is_dirty() for v in (daemon.volatile, daemon.snapshot, daemon.origin, daemon.both)],
          [False, False, True, True], "is_dirty")
    equal([content(v.path) for v in (daemon.volatile, daemon.snapshot, daemon.origin, daemon.both)],
          [bytes(5), b"tmpl1", bytes(5), b"tmpl1"], "what a session starts from")
    for volume in (daemon.volatile, daemon.snapshot, daemon.origin, daemon.both):
        write(volume, b"guest")
        wait(volume.stop())
        claim(not os.path.exists(volume.path), "a session stays")
        wait(volume.stop())  # again: nothing to do
    equal([content(daemon.path(".img", f"appvms/work/{name}")) for name in ("private", "both")],
          [b"guest"] * 2, "committed")
    wait(daemon.origin.start())
    write(daemon.origin, b"later")
    wait(daemon.origin.start())
    equal(content(daemon.origin.path), b"later", "a session of an origin is resumed")
    for _ in range(2):
        wait(daemon.volatile.start())
        equal(content(daemon.volatile.path), bytes(5), "a volatile one always begins anew")
        write(daemon.volatile, b"guest")


@test()
def outdated_snapshots(place):
    daemon = Daemon(place).created()
    wait(daemon.snapshot.start())
    equal([v.is_outdated() for v in (daemon.snapshot, daemon.origin, daemon.volatile)],
          [False] * 3, "is_outdated")
    equal(os.stat(daemon.path(".img", "appvms/work/root")).st_ino,
          os.stat(daemon.path(".img", "vm-templates/debian/root")).st_ino, "a hard link")
    session(daemon.template, b"newer")
    equal(daemon.snapshot.is_outdated(), True, "is_outdated")
    wait(daemon.snapshot.start())  # always done anew
    equal([daemon.snapshot.is_outdated(), content(daemon.snapshot.path)], [False, b"newer"],
          "started anew")


@test()
def revisions_and_revert(place):
    daemon = Daemon(place, revisions_to_keep="2").created()  # the Admin API has strings
    equal(daemon.origin.revisions_to_keep, 2, "that of the pool")
    os.utime(daemon.path(".img"), (0, 1700000000))
    for text in (b"one..", b"two..", b"three"):
        session(daemon.origin, text)
    equal(list(daemon.origin.revisions), ["2", "3"], "revisions")
    claim(all(len(time) == 19 and not time.endswith("Z")
              for time in daemon.origin.revisions.values()), f"{daemon.origin.revisions}")
    claim(wait(daemon.origin.revert()) is daemon.origin, "revert returns the volume")
    equal(content(daemon.path(".img")), b"two..", "the newest")
    wait(daemon.origin.revert("2"))
    equal(content(daemon.path(".img")), b"one..", "by its name")
    for revision in ("77", "one", "2", "../x"):
        fails(daemon.origin.revert(revision))
    wait(daemon.origin.start())
    fails(daemon.origin.revert())
    fails(daemon.volatile.revert())
    fresh = Daemon(place, "fresh").created()
    fails(fresh.origin.revert())
    session(fresh.origin, b"first")
    wait(fresh.origin.revert())
    equal([content(fresh.path(".img")), fresh.origin.usage], [bytes(5), 0], "the empty first state")
    before = fresh.origin.revisions
    wait(fresh.origin.start())
    wait(fresh.origin.stop())
    equal(fresh.origin.revisions, before, "a session that changed nothing is no revision")
    with open(fresh.path(".img.one@2024-01-01T00:00:00Z"), "wb"):
        equal(fresh.origin.revisions, before, "a file that is nothing of ours")
    fresh.origin.revisions_to_keep = 0
    session(fresh.origin, b"again")
    equal(fresh.origin.revisions, {}, "keeps none")
    claim(os.path.exists(fresh.path(".img.one@2024-01-01T00:00:00Z")), "the foreign file is gone")


@test()
def resizing_by_the_daemon(place):
    daemon = Daemon(place).created()
    for volume in (daemon.origin, daemon.volatile, daemon.both, daemon.snapshot):
        claim(wait(volume.resize(20 * MIB)) is volume, "resize returns the volume")
        equal([volume.size, volume.config["size"]], [20 * MIB] * 2, "stopped")
    equal(os.path.getsize(daemon.path(".img")), 20 * MIB, "of the image")
    for volume in (daemon.origin, daemon.volatile, daemon.snapshot):
        wait(volume.start())
        equal(os.path.getsize(volume.path), 20 * MIB, "started")
        wait(volume.resize(24 * MIB))
        equal([os.path.getsize(volume.path), volume.size], [24 * MIB] * 2, "running")
        fails(volume.resize(8 * MIB))
        wait(volume.stop())
    wait(daemon.volatile.resize(12 * MIB))
    equal(daemon.volatile.size, 12 * MIB, "nothing is lost where nothing is there")
    equal(fails(daemon.origin.resize(-1)).errno, errno.EINVAL, "errno")
    fails(daemon.origin.resize(20 * MIB))
    daemon.origin.rw = False
    fails(daemon.origin.resize(32 * MIB))
    wait(daemon.volatile.start())
    os.truncate(daemon.volatile.path, 28 * MIB)
    wait(daemon.volatile.stop())
    equal(daemon.volatile.size, 28 * MIB, "a volatile image that was resized by hand")
    wait(daemon.volatile.start())
    equal(os.path.getsize(daemon.volatile.path), 28 * MIB, "and at the next start")


@test()
def shrinking_by_choice(place):
    daemon = Daemon(place, allow_shrink="yes").created()
    session(daemon.origin, b"data.")
    wait(daemon.origin.resize(8 * MIB))
    equal([daemon.origin.size, list(daemon.origin.revisions)], [8 * MIB, ["2"]], "shrunk")
    wait(daemon.origin.revert("2"))
    equal([daemon.origin.size, content(daemon.path(".img"))], [16 * MIB, b"data."], "undone")
    wait(daemon.origin.start())
    fails(daemon.origin.resize(4 * MIB))
    wait(daemon.origin.stop())
    daemon.origin.revisions_to_keep = 0
    fails(daemon.origin.resize(4 * MIB))


@test()
def create_and_remove(place):
    daemon = Daemon(place).created()
    wait(daemon.origin.create())  # nothing has been written to it
    session(daemon.origin, b"data.")
    fails(daemon.origin.create(), "appvms/work/private")
    equal(content(daemon.path(".img")), b"data.", "still there")
    wait(daemon.origin.export())
    wait(daemon.origin.import_data(MIB))
    claim(wait(daemon.origin.remove()) is daemon.origin, "remove returns the volume")
    for volume in (daemon.origin, daemon.volatile, daemon.snapshot, daemon.both, daemon.template):
        wait(volume.remove())
    equal([daemon.names(), daemon.pool.list_volumes()], [[], []], "left")
    equal(os.listdir(os.path.join(daemon.dir_path, "appvms")), [], "directories")


@test()
def snapshots_disabled(place):
    daemon = Daemon(place).created()
    session(daemon.origin, b"one..")

    def disable():
        daemon.origin.revisions_to_keep = -1

    wait(daemon.origin.start())
    fails_at_once(disable)
    wait(daemon.origin.stop())
    disable()
    claim(daemon.origin.snapshots_disabled, "snapshots_disabled")
    path = wait(daemon.origin.export())
    fails(daemon.origin.start())  # it would write to what is being exported
    wait(daemon.origin.export_end(path))
    inode = os.stat(daemon.path(".img")).st_ino
    wait(daemon.origin.start())
    equal(os.stat(daemon.origin.path).st_ino, inode, "in place")
    equal([daemon.origin.is_dirty(), daemon.origin.revisions], [True, {}], "while it runs")
    fails(daemon.origin.export())

    def enable():
        daemon.origin.revisions_to_keep = 1

    claim(isinstance(fails_at_once(enable).__cause__, DirtyError), "enabled while it runs")
    equal(daemon.origin.revisions_to_keep, -1, "as before")
    write(daemon.origin, b"two..")
    wait(daemon.origin.stop())
    enable()
    equal([content(daemon.path(".img")), daemon.origin.config["revisions_to_keep"]], [b"two..", 1],
          "stopped")
    # As the default of a pool it reaches volumes that cannot have it.
    other = Daemon(place, "other", revisions_to_keep=-1).created()
    session(other.both, b"both1")
    session(other.both, b"both2")
    equal([len(other.both.revisions), other.both.revisions_to_keep], [1, -1], "origin_snapshot")


@test("xfs")
def properties_for_the_daemon(place):
    daemon = Daemon(place, ephemeral_volatile=True).created()
    equal([v.ephemeral for v in (daemon.volatile, daemon.origin, daemon.snapshot)],
          [True, False, False], "ephemeral")
    device = daemon.origin.block_device()
    equal([device.path, device.name, device.rw, device.domain, device.devtype],
          [daemon.path("-dirty.img"), "private", True, None, "disk"], "block_device")
    equal(daemon.snapshot.config,
          {"name": "root", "pool": "pool", "vid": "appvms/work/root", "revisions_to_keep": 1,
           "rw": True, "save_on_stop": False, "snap_on_start": True, "size": 16 * MIB,
           "source": "vm-templates/debian/root"}, "config")
    equal([daemon.volatile.usage, daemon.origin.usage], [0, 0], "usage")
    session(daemon.origin, b"x" * MIB)
    equal(daemon.origin.usage, MIB, "usage")
    raises(StoragePoolException, lambda: daemon.volume("work", "x", snap_on_start=True))
    claim(isinstance(raises(DriverError, daemon.volume, "work", "private-dirty"),
                     StoragePoolException), "a name that is another volume's")


@test("xfs")
def as_the_admin_api_calls_it(place):
    """The calls that reach a driver (docs/PEER.md §2), one after the other."""
    daemon = Daemon(place, revisions_to_keep="2").created()
    volume, pool = daemon.origin, daemon.pool
    # admin.vm.volume.Info shows these as text, ListSnapshots goes by the time.
    shown = {name: str(getattr(volume, name)) for name in (
        "pool", "vid", "size", "usage", "rw", "source", "path", "save_on_stop", "snap_on_start",
        "revisions_to_keep", "ephemeral")}
    equal([shown["pool"], shown["size"], shown["source"], shown["revisions_to_keep"]],
          ["pool", str(16 * MIB), "None", "2"], "Info")
    session(volume, b"data.")
    revision, = sorted(volume.revisions, key=volume.revisions.get)
    wait(volume.revert(revision))  # Revert
    equal(content(daemon.path(".img")), bytes(5), "reverted")
    session(volume, b"mine.")
    # Clear, which does not ask whether the machine runs.
    wait(volume.start())
    fails(volume.import_data(volume.size))
    wait(volume.stop())
    wait(volume.import_data(volume.size))
    wait(volume.import_data_end(success=True))
    equal([content(daemon.path(".img")), volume.size], [bytes(5), 16 * MIB], "cleared")
    wait(volume.revert())
    equal(content(daemon.path(".img")), b"mine.", "what was cleared is a revision")
    _revisions_by_time_and_by_number(daemon)
    wait(daemon.template.import_volume(volume))  # CloneTo
    equal(content(daemon.path(".img", daemon.template.vid)), b"mine.", "cloned")
    volume.rw = False  # Set.rw, Set.ephemeral, Set.revisions_to_keep
    equal([volume.block_device().rw, volume.config["rw"]], [False, False], "rw")
    daemon.volatile.ephemeral = True
    equal(daemon.volatile.config["ephemeral"], True, "ephemeral")
    raises(qubes.exc.QubesValueError, setattr, volume, "ephemeral", True)
    pool.revisions_to_keep, pool.ephemeral_volatile = 5, True  # the same of the pool
    equal([daemon.volume("new", "private", save_on_stop=True).revisions_to_keep,
           daemon.volume("new", "volatile").ephemeral, volume.revisions_to_keep], [5, True, 2],
          "of the pool")
    # A backup reads the path while the machine runs.
    wait(volume.start())
    write(volume, b"later")
    path = wait(volume.export())
    equal(content(path), b"mine.", "exported")
    wait(volume.export_end(path))
    # The daemon dies, and stops whatever does not run when it begins anew.
    again = Daemon(place)
    for each in again.pool.list_volumes():
        wait(each.stop())
    equal([content(again.path(".img")), again.origin.is_dirty()], [b"later", False], "after that")
    for each in again.pool.list_volumes():
        wait(each.remove())
    wait(again.pool.destroy())
    equal(sorted(os.listdir(os.path.join(again.dir_path, "vm-templates"))), [], "left")


def _revisions_by_time_and_by_number(daemon):
    """ListSnapshots goes by the time, which is that of the content: after a revert the last there
    is not the newest. A number that is named means what it says."""
    volume = daemon.volume("listed", "private", save_on_stop=True, revisions_to_keep=9)
    path = daemon.path(".img", volume.vid)
    wait(volume.create())
    os.utime(path, (0, 1_600_000_000))

    def dated_session(text, seconds):
        wait(volume.start())
        write(volume, text)
        os.utime(volume.path, (0, seconds))
        wait(volume.stop())

    def by_time():
        return sorted(volume.revisions, key=volume.revisions.get)

    for number, text in enumerate((b"one..", b"two..", b"three")):
        dated_session(text, 1_700_000_000 + 60 * number)
    equal([by_time(), list(volume.revisions)], [["1", "2", "3"]] * 2, "before a revert")
    wait(volume.revert("2"))
    equal(content(path), b"one..", "reverted")
    equal(list(volume.revisions), ["1", "3", "4"], "after it")
    dated_session(b"four.", 1_700_001_000)
    equal(list(volume.revisions), ["1", "3", "4", "5"], "by number")
    equal(by_time(), ["1", "5", "3", "4"], "by time: the last is not the newest")
    wait(volume.revert(by_time()[-1]))
    equal(content(path), b"three", "what a revert to the last of that list gives")
    wait(volume.revert("5"))
    equal(content(path), b"one..", "what was there before the session")
    wait(volume.remove())
