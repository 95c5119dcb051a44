# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each code that can be reached from the command, and that nothing has changed after it."""
import contextlib
import errno
import os
import resource
import subprocess

from harness import FILESYSTEMS, MIB, PRIVATE, TEMPLATE, claim, equal, test

SNAPSHOT = ["--snapshot", "--source", TEMPLATE]


@test()
def errors_not_found(place):
    for command in (["verify"], ["start"], ["stop"], ["discard"], ["revert"], ["remove"],
                    ["export", "--to", "copy"], ["prune", "--keep", "1"],
                    ["resize", "--size", "2M"]):
        place.volume_fails("NOT_FOUND", command[0], PRIVATE, *command[1:])
    place.volume_fails("NOT_FOUND", "start", PRIVATE, *SNAPSHOT)
    place.volume_fails("NOT_FOUND", "verify", PRIVATE, *SNAPSHOT)
    error = place.volume_fails("NOT_FOUND", "import", PRIVATE, "--from", "absent")
    equal([error["errno"], error["path"]], [errno.ENOENT, "absent"], "error")
    place.volume("create", PRIVATE, "--size", "1M")
    place.volume_fails("NOT_FOUND", "revert")
    place.volume_fails("NOT_FOUND", "revert", PRIVATE, "--revision", "7")
    claim(not os.path.exists(os.path.join(place.root, "copy")), "a copy was left")


@test()
def errors_exists(place):
    place.volume("create", PRIVATE, "--size", "1M")
    place.volume_fails("EXISTS", "create", PRIVATE, "--size", "2M")
    place.volume("start")
    place.volume_fails("EXISTS", "create", PRIVATE, "--size", "2M")
    equal(os.path.getsize(place.path(".img")), MIB, "size")


@test()
def errors_dirty(place):
    place.volume("create", PRIVATE, "--size", "2M")
    place.session(b"committed")
    place.volume("start")
    before = place.files()
    place.volume_fails("DIRTY", "revert")
    place.volume_fails("DIRTY", "import", PRIVATE, "--from", "/dev/null")
    equal(place.files(), before, "files")
    equal(place.committed(9), b"committed", "content")


@test()
def errors_read_only(place):
    place.volume("create", PRIVATE, "--size", "1M")
    error = place.volume_fails("READ_ONLY", "resize", PRIVATE, "--size", "2M", "--read-only")
    equal(error["errno"], 0, "errno")
    subprocess.run(["mount", "--bind", place.root, place.root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place.root], check=True)
    try:
        error = place.volume_fails("READ_ONLY", "start")
        equal(error["errno"], errno.EROFS, "errno")
        error = place.volume_fails("READ_ONLY", "export", PRIVATE, "--to", "copy")
        place.volume("info")
        place.volume("export", PRIVATE, "--to", "/dev/shm/qubes-storage-cli-copy")
        os.unlink("/dev/shm/qubes-storage-cli-copy")
    finally:
        subprocess.run(["umount", place.root], check=True)


@test()
def errors_not_supported(place):
    plain = place.another_mount("tmpfs", 16 * MIB)
    pool = os.path.join(plain.path, "pool")
    place.fails("NOT_SUPPORTED", "setup", pool)
    claim(not os.path.exists(pool), "the directory was left")
    place.call("setup", pool, "--no-reflink-check")
    place.volume_fails("NOT_SUPPORTED", "revert", PRIVATE, "--volatile")
    place.volume_fails("NOT_SUPPORTED", "prune", PRIVATE, "--volatile", "--keep", "1")
    place.volume_fails("NOT_SUPPORTED", "export", PRIVATE, "--volatile", "--to", "copy")
    place.volume("create", PRIVATE, "--size", "1M")
    place.volume("start", PRIVATE, "--revisions-to-keep", "-1")
    place.volume_fails("NOT_SUPPORTED", "discard", PRIVATE, "--revisions-to-keep", "-1")
    place.volume("stop", PRIVATE, "--revisions-to-keep", "-1")
    place.fails("NOT_SUPPORTED", "--kernels", "setup", place.pool)


@test()
def errors_invalid(place):
    place.volume("create", PRIVATE, "--size", "2M")
    place.volume_fails("INVALID", "resize", PRIVATE, "--size", "1M")
    equal(os.path.getsize(place.path(".img")), 2 * MIB, "size")
    place.volume("resize", PRIVATE, "--size", "1M", "--allow-shrink")
    place.volume_fails("INVALID", "start", PRIVATE, "--volatile", "--revisions-to-keep", "-1")
    place.fails("INVALID", "list", "")
    target = os.path.join(place.root, "directory")
    os.mkdir(target)
    place.volume_fails("INVALID", "export", PRIVATE, "--to", target)
    place.volume_fails("INVALID", "export", PRIVATE, "--to", "/dev/null")
    claim(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"), "/dev/null was replaced")
    place.volume_fails("INVALID", "import", PRIVATE, "--from", "/dev/null", "--size", "1M")
    place.volume_fails("INVALID", "import", PRIVATE, "--from", "-", "--size", "5", input=b"123456")
    place.volume_fails("INVALID", "import", PRIVATE, "--from", "-", "--size", "7", input=b"123456")


@test()
def errors_io(place):
    place.volume("create", PRIVATE, "--size", "2M")
    before = place.files()
    os.symlink("loop", os.path.join(place.root, "loop"))
    error = place.volume_fails("IO", "import", PRIVATE, "--from", "loop")
    equal([error["errno"], error["path"]], [errno.ELOOP, "loop"], "error")
    equal(place.files(), before, "files")


@test()
def errors_corrupt(place):
    place.volume("create", PRIVATE, "--size", "2M")
    elsewhere = os.path.join(place.root, "elsewhere")
    with open(elsewhere, "wb") as file:
        file.write(b"a secret of dom0")
    os.unlink(place.path(".img"))
    os.symlink(elsewhere, place.path(".img"))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.path("-precache.img"))
    for command in (["start"], ["verify"], ["export", "--to", "copy"]):
        place.volume_fails("CORRUPT", command[0], PRIVATE, *command[1:])
    with open(elsewhere, "rb") as file:
        equal(file.read(), b"a secret of dom0", "the file that the link names")


@test()
def errors_offline(place):
    absent = os.path.join(place.root, "absent")
    for command in (["list"], ["recover"], ["included-in", "/"],
                    ["create", PRIVATE, "--size", "1M"], ["start", PRIVATE], ["stop", PRIVATE],
                    ["discard", PRIVATE], ["revert", PRIVATE],
                    ["resize", PRIVATE, "--size", "1M"], ["remove", PRIVATE], ["verify", PRIVATE],
                    ["import", PRIVATE, "--from", "/dev/null"], ["prune", PRIVATE, "--keep", "1"],
                    ["export", PRIVATE, "--to", "copy"], ["start", PRIVATE, "--volatile"]):
        place.fails("OFFLINE", command[0], absent, *command[1:])
    place.fails("OFFLINE", "setup", os.path.join(absent, "below"))
    claim(not os.path.exists(absent), "something made the directory")
    equal(place.call("info", absent, PRIVATE)["usage_bytes"], None, "usage of a volume")
    equal(place.call("revisions", absent, PRIVATE), [], "revisions")


@test()
def errors_busy(place):
    place.volume("create", PRIVATE, "--size", "2M")
    importer = place.popen("import", place.pool, PRIVATE, "--from", "-", stdin=subprocess.PIPE)
    importer.stdin.write(b"x" * MIB)
    importer.stdin.flush()
    while not os.path.exists(place.path("-import.img")):
        claim(importer.poll() is None, "the import ended early")
    place.volume_fails("BUSY", "start")
    place.volume_fails("BUSY", "import", PRIVATE, "--from", "/dev/null")
    place.volume_fails("BUSY", "remove")
    place.call("recover", place.pool)
    claim(os.path.exists(place.path("-import.img")), "the import was taken away")
    importer.communicate()
    equal(importer.returncode, 0, "status of the import")
    equal(os.path.getsize(place.path(".img")), MIB, "size")


@test()
def errors_no_memory(place):
    place.volume("create", PRIVATE, "--size", "2M")
    before = place.files()

    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

    # (A program under sanitizers fails here: they need descriptors of their own.)
    place.volume_fails("NO_MEMORY", "start", preexec_fn=few_descriptors)
    equal([name for name in place.files() if "precache" not in name],
          [name for name in before if "precache" not in name], "files")


def full_place(place):
    """A pool on a filesystem of its own, with a session, and not one byte left."""
    size = 320 * MIB if place.mount.kind == "xfs" else 256 * MIB
    mount = place.another_mount(place.mount.kind, size)
    place.pool = os.path.join(mount.path, "pool")
    place.call("setup", place.pool)
    place.volume("create", PRIVATE, "--size", "16M")
    place.session(b"committed")
    place.volume("start")
    place.write(b"session  ")
    os.sync()
    return mount.fill()


@test(*FILESYSTEMS)
def full_filesystem_import(place):
    ballast = full_place(place)
    vid = "appvms/work/other"
    before = place.files()
    place.volume_fails("NO_SPACE", "import", vid, "--from", "-", input=os.urandom(8 * MIB))
    equal(place.files(), before, "files")
    os.unlink(ballast)
    os.sync()
    place.call("import", place.pool, vid, "--from", "-", input=os.urandom(8 * MIB))


@test(*FILESYSTEMS)
def full_filesystem_stop(place):
    full_place(place)
    place.volume("stop")
    equal(place.committed(9), b"session  ", "content")
    claim(not os.path.exists(place.path("-dirty.img")), "the session is still there")
    equal(len(place.volume("revisions")), 1, "revisions")


@test(*FILESYSTEMS)
def full_filesystem_discard(place):
    full_place(place)
    place.volume("discard")
    equal(place.committed(9), b"committed", "content")
    claim(not os.path.exists(place.path("-dirty.img")), "the session is still there")


@test(*FILESYSTEMS)
def full_filesystem_looking(place):
    full_place(place)
    place.call("info", place.pool)
    place.call("list", place.pool)
    place.volume("info")
    place.volume("revisions")
    place.volume("verify")
    place.volume("export", PRIVATE, "--to", os.path.join(place.root, "copy"))
    place.call("recover", place.pool)
    place.volume("remove")
