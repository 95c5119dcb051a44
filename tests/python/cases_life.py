# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb, called at once and in an event loop, and what it does to the files."""
import inspect
import os
import stat
import subprocess

import qubesstorage
from harness import test
from place import (CALLED, MIB, PRIVATE, ROOT, TEMPLATE, call_async, call_sync, claim, equal,
                   raises)

CALLERS = (call_sync, call_async)


def both(*filesystems):
    """A test that is done once with each caller, in pools of their own."""

    def register(function):
        def run(place, caller):
            place.dir_path = os.path.join(place.root, caller.__name__)
            place.pool.close()
            place.pool = qubesstorage.Pool(place.dir_path)
            caller(place.pool, "setup")
            function(place, caller)

        for caller in CALLERS:
            def one(place, caller=caller):
                run(place, caller)

            one.__name__ = f"{function.__name__}_{caller.__name__[5:]}"
            test(*filesystems)(one)
        return function

    return register


@both()
def life_of_an_origin(place, call):
    volume = place.origin(create=False, revisions_to_keep=3)
    call(volume, "create")
    call(volume, "verify")
    for text in (b"one", b"two"):
        call(volume, "start")
        claim(volume.is_dirty(), "a session is dirty")
        equal(call(volume, "info").is_started, True, "is_started")
        place.write(volume, text)
        call(volume, "stop")
        equal(place.committed(3), text, "committed")
    equal(list(volume.revisions), ["1", "2"], "revisions")
    call(volume, "revert", "2")
    equal(place.committed(3), b"one", "after revert")
    call(volume, "revert")
    equal(place.committed(3), b"two", "and back, by default")
    call(volume, "revert", 1)
    equal(place.committed(3), bytes(3), "the empty first state")
    call(volume, "start")
    place.write(volume, b"bad")
    call(volume, "discard")
    equal(place.committed(3), bytes(3), "after discard")
    call(volume, "remove")
    equal(call(place.pool, "volumes"), [], "volumes")
    claim(not os.path.exists(os.path.join(place.dir_path, "appvms/work")), "the directory stays")


@both()
def life_of_a_snapshot(place, call):
    template = place.origin(TEMPLATE)
    place.session(template, b"old")
    volume = place.snapshot(source=template, size=80 * MIB)
    call(volume, "start")
    equal(volume.size, 80 * MIB, "size")
    equal(volume.is_outdated(), False, "is_outdated")
    place.session(template, b"new")
    equal(volume.is_outdated(), True, "is_outdated")
    equal(volume.is_dirty(), False, "is_dirty")
    info = call(volume, "info")
    equal([info.source, info.snap_on_start, info.save_on_stop], [TEMPLATE, True, False], "info")
    call(volume, "stop")
    equal(call(place.pool, "volumes")[-1], TEMPLATE, "volumes")


@both()
def life_of_the_other_kinds(place, call):
    template = place.origin(TEMPLATE)
    place.session(template, b"tpl")
    volatile = place.pool.volume("appvms/work/volatile", size=8 * MIB, rw=True, ephemeral=True)
    call(volatile, "start")
    equal([volatile.size, volatile.info().ephemeral], [8 * MIB, True], "of the volatile")
    call(volatile, "stop")
    claim(not os.path.exists(volatile.path), "a volatile session stays")
    both_flags = place.pool.volume(ROOT, save_on_stop=True, snap_on_start=True, source=TEMPLATE)
    call(both_flags, "start")
    place.write(both_flags, b"own", 0)
    call(both_flags, "stop")
    equal([place.committed(3, ROOT, 0), place.committed(3, ROOT)], [b"own", b"tpl"], "committed")
    in_place = place.origin(revisions_to_keep=0)
    call(in_place, "set_revisions_to_keep", -1)
    inode = os.stat(place.path(".img")).st_ino
    call(in_place, "start")
    equal(os.stat(in_place.path).st_ino, inode, "snapshots disabled: the inode")
    call(in_place, "stop")
    in_place.set_rw(False)
    raises(qubesstorage.ReadOnlyError, call, in_place, "resize", 128 * MIB)


@both()
def properties(place, call):
    volume = place.origin(create=False)
    equal([volume.size, volume.usage], [64 * MIB, None], "nothing there: size and usage")
    volume.create()
    equal([volume.size, volume.usage], [64 * MIB, 0], "created: size and usage")
    equal(volume.vid, PRIVATE, "vid")
    equal(volume.path, place.path("-dirty.img"), "path")
    equal(volume.import_path, place.path("-import.img"), "import_path")
    claim(volume.pool is place.pool, "pool")
    place.session(volume, b"x" * MIB)
    equal(volume.usage, MIB, "usage")
    info = call(volume, "info")
    equal([info.vid, info.path, info.size, info.nominal_size, info.rw, info.save_on_stop,
           info.revisions_to_keep, info.source],
          [PRIVATE, volume.path, 64 * MIB, 64 * MIB, True, True, 1, None], "info")
    os.utime(place.path(".img"), ns=(0, 1700000000 * 10**9))
    place.session(volume, b"y" * MIB)
    revision, = call(volume, "list_revisions")
    equal([revision.number, revision.size], [2, 64 * MIB], "the revision")
    equal(revision.created.isoformat(), "2023-11-14T22:13:20+00:00", "created")
    equal(volume.revisions, {"2": "2023-11-14T22:13:20Z"}, "revisions")
    claim(os.path.exists(place.path(".img.2@2023-11-14T22:13:20Z")), "so is its file named")
    volume.set_revisions_to_keep(12)
    for number in range(10):
        place.session(volume, bytes([number]))
    equal(list(volume.revisions), [str(n) for n in range(2, 13)], "by number, not by letter")
    call(volume, "prune", 2)
    equal(list(volume.revisions), ["11", "12"], "pruned")


@both()
def resizing(place, call):
    volume = place.origin()
    call(volume, "resize", 96 * MIB)
    equal(os.path.getsize(place.path(".img")), 96 * MIB, "stopped")
    raises(qubesstorage.InvalidError, call, volume, "resize", 32 * MIB)
    call(volume, "resize", 32 * MIB, shrink=True)
    equal([volume.size, len(volume.revisions)], [32 * MIB, 1], "shrunk")
    volume.start()
    device = subprocess.run(["losetup", "--find", "--show", volume.path], check=True,
                            capture_output=True, text=True).stdout.strip()
    try:
        call(volume, "resize", 48 * MIB)
        with open(f"/sys/block/{os.path.basename(device)}/size", encoding="ascii") as file:
            equal(int(file.read()) * 512, 48 * MIB, "size of the loop device")
        call(qubesstorage, "file_resize", volume.path, 56 * MIB)
        call(qubesstorage, "loop_refresh", volume.path)
        with open(f"/sys/block/{os.path.basename(device)}/size", encoding="ascii") as file:
            equal(int(file.read()) * 512, 56 * MIB, "refreshed")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@both()
def imports_and_exports(place, call):
    volume, other = place.origin(revisions_to_keep=9), place.origin("appvms/other/private")
    call(volume, "import_begin", 4 * MIB)
    with open(volume.import_path, "r+b") as file:
        file.write(b"import")
    raises(qubesstorage.BusyError, call, volume, "start")
    call(volume, "import_end", False)
    equal(volume.size, 64 * MIB, "given up")
    call(volume, "import_begin", 4 * MIB)
    with open(volume.import_path, "r+b") as file:
        file.write(b"import")
    call(volume, "import_end")
    equal([volume.size, place.committed(6, offset=0)], [4 * MIB, b"import"], "imported")
    told = []
    place.session(other, os.urandom(8 * MIB))
    call(volume, "import_volume", other, progress=lambda *bytes_of: told.append(bytes_of))
    equal(volume.size, 64 * MIB, "imported from a volume")
    claim(told and told[-1][0] == told[-1][1], f"progress: {told}")
    image = place.image("image", data=b"descriptor")
    with open(image, "rb") as file:
        raises(qubesstorage.InvalidError, call, volume, "import_fd", file, size=3)
        call(volume, "import_fd", file, size=8 * MIB)
        call(volume, "import_fd", file.fileno())
    equal(place.committed(10), b"descriptor", "imported from a descriptor")
    descriptor = call(volume, "export_fd")
    try:
        place.session(volume, b"later data")
        equal(os.pread(descriptor, 10, MIB), b"descriptor", "an export is pinned")
        claim(not os.get_inheritable(descriptor), "an export is inherited")
    finally:
        os.close(descriptor)
    with open(os.path.join(place.root, "copy"), "w+b") as file:
        call(volume, "export_to", file)
        equal(os.pread(file.fileno(), 10, MIB), b"later data", "exported")
        equal(os.fstat(file.fileno()).st_size, 8 * MIB, "size of the export")


@both()
def pools(place, call):
    volume = place.origin()
    place.session(volume, b"data")
    info = call(place.pool, "info")
    equal([info.filesystem_type, info.mount_point, info.device, info.is_online, info.kind],
          [place.mount.kind, place.mount.path, place.mount.device, True, "reflink"], "info")
    equal([info.reflink_works, info.dir_path], [True, place.dir_path], "info")
    claim(0 < info.usage < info.size, f"{info.usage} of {info.size} bytes")
    claim(info.logical_sector_bytes in (512, 4096), "sectors")
    call(place.pool, "drain")
    equal([place.pool.info().background_waiting, place.pool.info().background_running], [0, 0],
          "drained")
    volume.start()
    with open(place.path("-import.img"), "wb"):
        pass
    report = call(place.pool, "recover")
    equal([finding.vid for finding in report], [PRIVATE] * 2, "recovered")
    claim(any("session" in finding.finding for finding in report), f"no session: {report}")
    claim(all(finding.action for finding in report), "no action")
    claim(not os.path.exists(place.path("-import.img")), "an abandoned import stays")
    inner = qubesstorage.Pool(os.path.join(place.dir_path, "inner"))
    inner.setup()
    places = ["/nonexistent", "vg/pool", place.mount.path, place.pool]
    claim(call(inner, "included_in", places) is place.pool, "the deepest directory")
    equal(call(inner, "included_in", ["/nonexistent", "vg/pool"]), None, "in none")
    equal(call(inner, "included_in", []), None, "no candidates")
    inner.close()


@both()
def kernels(place, call):
    for name in ("6.1", "6.6"):
        os.makedirs(os.path.join(place.root, "kernels", name))
        with open(os.path.join(place.root, "kernels", name, "modules.img"), "wb") as file:
            file.truncate(MIB)
    with qubesstorage.Pool(os.path.join(place.root, "kernels"), kind="kernels") as pool:
        equal(call(pool, "volumes"), ["6.1", "6.6"], "volumes")
        volume = pool.volume("6.1")
        call(volume, "verify")
        call(volume, "start")
        call(volume, "stop")
        equal([volume.size, pool.info().kind], [MIB, "kernels"], "of a kernel")
        raises(qubesstorage.ReadOnlyError, call, volume, "remove")
        os.close(call(volume, "export_fd"))


@both()
def files(place, call):
    image = place.image("image")
    os.utime(image, ns=(0, 123456789))
    target = os.path.join(place.root, "new", "clone")
    equal(call(qubesstorage, "file_clone", image, target), True, "shared")
    equal(stat.S_IMODE(os.stat(target).st_mode), 0o600, "mode")
    call(qubesstorage, "file_clone", os.fsencode(image), target, size=16 * MIB, keep_mtime=True)
    found = os.stat(target)
    equal([found.st_size, found.st_mtime_ns], [16 * MIB, 123456789], "size and mtime")
    call(qubesstorage, "file_create_sparse", target, 3 * MIB)
    found = os.stat(target)
    equal([found.st_size, found.st_blocks], [3 * MIB, 0], "sparse")
    call(qubesstorage, "file_resize", target, MIB)
    equal(os.path.getsize(target), MIB, "resized")
    equal(call(qubesstorage, "reflink_supported", place.root), True, "reflinks")
    equal(call(qubesstorage, "reflink_supported", place.root, src_dir="/dev/shm"), False,
          "across filesystems")


@test()
def setup_refuses_a_filesystem_without_reflinks(place):
    mount = type(place.mount)("tmpfs", 16 * MIB)
    try:
        path = os.path.join(mount.path, "pool")
        for call in CALLERS:
            with qubesstorage.Pool(path) as pool:
                raises(qubesstorage.NotSupportedError, call, pool, "setup")
            claim(not os.path.exists(path), "what it made stays")
        with qubesstorage.Pool(path, name="slow", setup_check=False, prefixes=["more"]) as pool:
            pool.setup()
            equal([pool.info().name, pool.info().reflink_works], ["slow", False], "info")
            pool.volume("more/vm/disk", save_on_stop=True, size=4096).create()
    finally:
        mount.close()


@test("xfs")
def z_every_verb_was_called_in_both_ways(_place):
    """Of the package's own list of what there is. It fails where the tests above were not run."""
    wanted = {name for name, value in vars(qubesstorage).items() if inspect.isfunction(value)}
    wanted -= {"version"}
    for owner in (qubesstorage.Pool, qubesstorage.Volume):
        wanted |= {f"{owner.__name__}.{name}" for name, value in vars(owner).items()
                   if inspect.iscoroutinefunction(value) and not name.startswith("_")}
    wanted |= {name[:-len("_async")] for name in wanted if name.endswith("_async")}
    wanted -= {"Pool.close", "Pool.close_async"}  # cases_misuse
    equal(wanted - CALLED, set(), "never called")
    equal(len(wanted) % 2, 0, "a verb without its twin")
