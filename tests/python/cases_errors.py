# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong has a class, a code and the facts; what ctypes would cut is refused before."""
import asyncio
import errno
import os
import pickle

import qubesstorage
from harness import test
from place import MIB, PRIVATE, TEMPLATE, claim, equal, raises


def is_error(error, code, step=None, path=None, number=0):
    claim(isinstance(error, qubesstorage.StorageError) and isinstance(error, OSError), repr(error))
    equal(error.code, qubesstorage.Code[code], "code")
    equal(error.errno, number, "errno")
    if step is not None:
        equal([error.step, error.path], [step, path], "step and path")
    claim(str(error).startswith("cannot "), f"message: {error}")
    return error


@test()
def classes_of_errors(place):
    volume = place.origin()
    missing = place.origin("appvms/none/private", create=False)
    error = is_error(raises(qubesstorage.NotFoundError, missing.start), "NOT_FOUND")
    claim(isinstance(error, FileNotFoundError), "it is no FileNotFoundError")
    error = is_error(raises(qubesstorage.ExistsError, volume.create), "EXISTS")
    claim(isinstance(error, FileExistsError), "it is no FileExistsError")
    volume.start()
    is_error(raises(qubesstorage.DirtyError, volume.revert), "DIRTY")
    volume.stop()
    volume.import_begin(MIB)
    is_error(raises(qubesstorage.BusyError, place.origin(create=False).start), "BUSY")
    volume.import_end(False)
    volatile = place.pool.volume("appvms/work/volatile")
    is_error(raises(qubesstorage.NotSupportedError, volatile.export_fd), "NOT_SUPPORTED")
    is_error(raises(qubesstorage.ReadOnlyError, volatile.resize, MIB), "READ_ONLY")
    os.mkdir(place.path(".img", "appvms/work/odd"))
    is_error(raises(qubesstorage.CorruptError, place.origin("appvms/work/odd", create=False).start),
             "CORRUPT")
    offline = qubesstorage.Pool(os.path.join(place.root, "absent"))
    is_error(raises(qubesstorage.OfflineError, offline.volumes), "OFFLINE", number=errno.ENOENT)
    equal([offline.info().is_online, offline.info().size, offline.info().filesystem_type],
          [False, None, ""], "offline")


@test()
def the_same_errors_from_coroutines(place):
    missing = place.origin("appvms/none/private", create=False)
    there = raises(qubesstorage.NotFoundError, missing.start)
    here = raises(qubesstorage.NotFoundError, asyncio.run, missing.start_async())
    for name in ("code", "errno", "step", "path", "args"):
        equal(getattr(here, name), getattr(there, name), name)


@test("xfs")
def an_error_survives_pickling(place):
    path = os.path.join(place.root, "none")
    error = raises(qubesstorage.NotFoundError, qubesstorage.file_resize, path, 1)
    is_error(error, "NOT_FOUND", "open", path, errno.ENOENT)
    copy = pickle.loads(pickle.dumps(error))
    claim(type(copy) is type(error) and str(copy) == str(error), repr(copy))
    equal([copy.code, copy.errno, copy.step, copy.path, copy.filename],
          [error.code, error.errno, error.step, error.path, path], "of the copy")
    equal(str(qubesstorage.Code.DIRTY), "DIRTY", "the name of a code")


@test("xfs")
def a_full_filesystem_is_no_space(place):
    small = type(place.mount)("tmpfs", 8 * MIB)
    try:
        with qubesstorage.Pool(os.path.join(small.path, "pool"), setup_check=False) as pool:
            pool.setup()
            volume = place.origin(pool=pool, size=32 * MIB)
            image = place.image("image", 32 * MIB, os.urandom(16 * MIB))
            with open(image, "rb") as file:
                for import_fd in (volume.import_fd,
                                  lambda source: asyncio.run(volume.import_fd_async(source))):
                    is_error(raises(qubesstorage.NoSpaceError, import_fd, file), "NO_SPACE",
                             number=errno.ENOSPC)
            equal(volume.size, 32 * MIB, "what was committed")
    finally:
        small.close()


@test("xfs")
def what_ctypes_would_cut_is_refused(place):
    volume = place.origin()
    invalid = qubesstorage.InvalidError
    for call in (lambda: place.pool.volume(PRIVATE + "\0x"),
                 lambda: qubesstorage.Pool("/tmp\0x"),
                 lambda: qubesstorage.file_resize(b"/tmp\0x", 1),
                 lambda: place.pool.included_in(["/a\0b"]),
                 lambda: place.pool.volume(PRIVATE, size=-1),
                 lambda: place.pool.volume(PRIVATE, size=2**64 + 1),
                 lambda: place.pool.volume(PRIVATE, save_on_stop=True, revisions_to_keep=2**32),
                 lambda: place.pool.volume(PRIVATE, save_on_stop=True, revisions_to_keep=-2),
                 lambda: qubesstorage.Pool("/tmp", revisions_to_keep=2**32 + 1),
                 lambda: qubesstorage.Pool("/tmp", kind="lvm"),
                 lambda: volume.resize(-1), lambda: volume.resize(2**64 + 64 * MIB),
                 lambda: volume.import_begin(2**63),
                 lambda: volume.prune(2**32), lambda: volume.prune(-1),
                 lambda: volume.set_revisions_to_keep(2**32 - 1),
                 lambda: volume.import_fd(2**32), lambda: volume.import_fd(-1),
                 lambda: volume.export_to(-1),
                 lambda: volume.revert(0), lambda: volume.revert(-1), lambda: volume.revert(2**64),
                 lambda: qubesstorage.file_clone(place.path(".img"), "/dev/null", size=-1)):
        error = is_error(raises(invalid, call), "INVALID")
        claim(isinstance(error, ValueError), "it is no ValueError")
    for revision in ("", "0", "01", "+1", " 1", "1 ", "-1", "one", "\u0661", "1\n"):
        raises(invalid, volume.revert, revision)
    for call in (lambda: volume.resize("1"), lambda: volume.resize(1.5), lambda: volume.prune(None),
                 lambda: qubesstorage.Pool(3), lambda: place.pool.volume(None)):
        raises(TypeError, call)
    equal(place.pool.volumes(), [PRIVATE], "volumes")


@test("xfs")
def what_contradicts_itself_is_refused(place):
    for options in ({"snap_on_start": True}, {"source": TEMPLATE},
                    {"revisions_to_keep": -1}, {"ephemeral": True},
                    {"ephemeral": True, "rw": True, "save_on_stop": True}):
        is_error(raises(qubesstorage.InvalidError, lambda o: place.pool.volume(PRIVATE, **o),
                        options), "INVALID")
    for vid in ("", "private", "appvms/private", "/appvms/a/b", "appvms/../private",
                "other/work/private", "appvms/work/private-dirty", "appvms/work/a/b"):
        raises(qubesstorage.InvalidError, place.pool.volume, vid)
    template = place.origin(TEMPLATE)
    other = qubesstorage.Pool(place.dir_path)
    equal(place.snapshot(source=template).info().source, TEMPLATE, "a volume as the source")
    raises(qubesstorage.InvalidError, lambda: other.volume(
        "appvms/work/root", snap_on_start=True, source=template))
    other.close()


@test("xfs")
def paths_of_any_bytes(place):
    raw = os.path.join(os.fsencode(place.root), b"\xff\xfe")
    qubesstorage.file_create_sparse(raw, MIB)
    equal(os.path.getsize(raw), MIB, "size")
    error = raises(qubesstorage.NotFoundError, qubesstorage.file_resize, raw + b"-", MIB)
    equal(os.fsencode(error.path), raw + b"-", "path")
    with qubesstorage.Pool(raw + b"-pool") as pool:
        pool.setup()
        claim(os.path.isdir(raw + b"-pool/appvms"), "the pool")
        equal(os.fsencode(pool.dir_path), raw + b"-pool", "dir_path")
        equal(os.fsencode(pool.info().dir_path), raw + b"-pool", "dir_path of the information")
