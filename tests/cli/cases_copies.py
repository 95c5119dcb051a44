# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images in and out: streams, holes, what is left when it is interrupted, the progress bar."""
import json
import os
import pty
import re
import signal
import subprocess
import time

from harness import MIB, PRIVATE, claim, equal, test, wait_for

INTERRUPTED = (1, 130, -signal.SIGINT)


def make_image(path, size=32 * MIB):
    """Data, a hole, zeros that are written, data at an odd end."""
    with open(path, "wb") as file:
        file.write(os.urandom(MIB))
        file.seek(8 * MIB)
        file.write(bytes(4 * MIB))
        file.seek(size - 1)
        file.write(b"!")
    return path


def content(path):
    with open(path, "rb") as file:
        return file.read()


def allocated(path):
    return os.stat(path).st_blocks * 512


@test()
def import_and_export_of_files(place):
    image = make_image(os.path.join(place.root, "image"), 20 * MIB + 1)
    copy = os.path.join(place.root, "copy")
    answer = place.volume("import", PRIVATE, "--from", image, "--size", str(20 * MIB + 1))
    equal(answer["size_bytes"], 20 * MIB + 1, "size_bytes")
    claim(content(place.path(".img")) == content(image), "the import differs")
    equal(os.stat(place.path(".img")).st_mode & 0o777, 0o600, "mode")
    place.volume("export", PRIVATE, "--to", copy)
    claim(content(copy) == content(image), "the export differs")
    claim(allocated(copy) < 8 * MIB, f"the export is not sparse: {allocated(copy)}")
    place.volume("import", PRIVATE, "--from", "image")
    claim(place.volume("revisions"), "what was there before is not kept")


@test()
def import_from_another_filesystem(place):
    other = place.another_mount("tmpfs", 64 * MIB)
    image = make_image(os.path.join(other.path, "image"))
    place.volume("import", PRIVATE, "--from", image)
    claim(content(place.path(".img")) == content(image), "the import differs")
    claim(allocated(place.path(".img")) < 3 * MIB, "the import is not sparse, or keeps zeros")
    copy = os.path.join(other.path, "copy")
    place.volume("export", PRIVATE, "--to", copy)
    claim(content(copy) == content(image), "the export differs")
    claim(allocated(copy) < 3 * MIB, "the export is not sparse")


@test()
def streams(place):
    data = content(make_image(os.path.join(place.root, "image"), 12 * MIB + 77))
    answer = place.volume("import", PRIVATE, "--from", "-", input=data)
    equal(answer["size_bytes"], len(data), "size_bytes")
    claim(content(place.path(".img")) == data, "the import differs")
    claim(allocated(place.path(".img")) < 3 * MIB, "the import is not sparse, or keeps zeros")
    result = place.run("--json", "export", place.pool, PRIVATE, "--to", "-")
    equal(result.status, 0, "status")
    claim(result.out == data, "the export differs")
    equal(json.loads(result.err)["size_bytes"], len(data), "what it says on standard error")
    result = place.run("export", place.pool, PRIVATE, "--to", "-")
    equal(result.err.decode(), f"{PRIVATE}: exported 12.0M\n", "what it says to people")
    place.volume("import", PRIVATE, "--from", "-", input=b"")
    equal(os.path.getsize(place.path(".img")), 0, "size of nothing")


@test()
def streams_that_are_files(place):
    image = make_image(os.path.join(place.root, "image"))
    with open(image, "rb") as file:
        place.volume("import", PRIVATE, "--from", "-", stdin=file)
    claim(content(place.path(".img")) == content(image), "the import differs")
    copy = os.path.join(place.root, "copy")
    with open(copy, "wb") as file:
        result = place.run("export", place.pool, PRIVATE, "--to", "-", stdout=file)
    equal(result.status, 0, "status")
    claim(content(copy) == content(image), "the export differs")
    claim(allocated(copy) < 8 * MIB, "the export is not sparse")


@test()
def import_from_a_block_device(place):
    image = make_image(os.path.join(place.root, "image"))
    loop = subprocess.run(["losetup", "-r", "-f", "--show", image], check=True, text=True,
                          capture_output=True).stdout.strip()
    try:
        place.volume("import", PRIVATE, "--from", loop)
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
    claim(content(place.path(".img")) == content(image), "the import differs")


@test()
def export_replaces_a_file_whole_or_not_at_all(place):
    place.volume("import", PRIVATE, "--from", "-", input=os.urandom(8 * MIB))
    small = place.another_mount("tmpfs", 4 * MIB)
    target = os.path.join(small.path, "target")
    with open(target, "wb") as file:
        file.write(b"precious")
    place.volume_fails("NO_SPACE", "export", PRIVATE, "--to", target)
    equal(content(target), b"precious", "the old content")
    equal(os.listdir(small.path), ["target"], "files")
    link = os.path.join(place.root, "link")
    with open(os.path.join(place.root, "real"), "wb") as file:
        file.write(b"old")
    os.symlink("real", link)
    place.volume("export", PRIVATE, "--to", link)
    claim(os.path.islink(link), "the link was replaced")
    claim(content(link) == content(place.path(".img")), "the export differs")
    os.unlink(os.path.join(place.root, "real"))
    place.volume_fails("NOT_FOUND", "export", PRIVATE, "--to", link)
    place.volume_fails("NOT_FOUND", "export", PRIVATE, "--to", "absent/copy")


@test()
def import_from_a_closed_stream(place):
    """Not the same as an empty one."""
    place.volume("create", PRIVATE, "--size", "4M")
    before = place.files()
    command = [place.program, "import", place.pool, PRIVATE, "--from", "-"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True)
    claim(done.returncode == 1 and b"Bad file descriptor (IO)" in done.stderr, f"{done}")
    equal(place.files(), before, "files")


@test()
def export_while_it_runs(place):
    place.volume("create", PRIVATE, "--size", "4M")
    place.session(b"committed")
    place.volume("start")
    place.write(b"session  ")
    result = place.run("export", place.pool, PRIVATE, "--to", "-")
    equal(result.out[MIB:MIB + 9], b"committed", "what is exported")


@test()
def terminals_are_refused(place):
    place.volume("create", PRIVATE, "--size", "4M")
    master, slave = pty.openpty()
    try:
        result = place.run("export", place.pool, PRIVATE, "--to", "-", stdout=slave)
        equal(result.status, 2, "status of export")
        result = place.run("import", place.pool, PRIVATE, "--from", "-", stdin=slave)
        equal(result.status, 2, "status of import")
    finally:
        os.close(master)
        os.close(slave)


@test()
def export_into_a_pipe_that_is_closed(place):
    place.volume("import", PRIVATE, "--from", "-", input=os.urandom(8 * MIB))
    exporter = place.popen("--json", "export", place.pool, PRIVATE, "--to", "-")
    exporter.stdout.read(10)
    exporter.stdout.close()
    error = json.loads(exporter.stderr.read())["error"]
    equal(exporter.wait(), 1, "status")
    equal([error["code"], error["errno"]], ["IO", 32], "error")


def interrupted_import(place, number):
    """Starts an import that waits for more, and sends it a signal."""
    importer = place.popen("--json", "import", place.pool, PRIVATE, "--from", "-",
                           stdin=subprocess.PIPE)
    importer.stdin.write(os.urandom(4 * MIB))
    importer.stdin.flush()
    wait_for(lambda: os.path.exists(place.path("-import.img")), "the import")
    importer.send_signal(number)
    wait_for(lambda: importer.poll() is not None, "the end of the import")
    err = importer.stderr.read()
    importer.stdin.close()
    return importer.returncode, json.loads(err)["error"]


@test()
def import_that_is_interrupted(place):
    place.volume("create", PRIVATE, "--size", "4M")
    place.session(b"committed")
    before = place.files()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        status, error = interrupted_import(place, number)
        claim(status in (1, 128 + number, -number), f"status {status}")
        equal(error["code"], "CANCELLED", "code")
        equal(place.files(), before, "files")
        equal(place.committed(9), b"committed", "content")


@test()
def import_whose_writer_died_of_the_same_interrupt(place):
    """^C at `produce | qubes-storage import --from -` ends both: half an image is not committed."""
    place.volume("create", PRIVATE, "--size", "4M")
    before = place.files()
    image = make_image(os.path.join(place.root, "image"), 4 * MIB)
    for _ in range(5):
        # tail writes all that is there, and then waits for more.
        shell = subprocess.Popen(
            ["bash", "-c", 'tail -c +1 -f "$0" | "$@"', image, place.program, "import", place.pool,
             PRIVATE, "--from", "-"], start_new_session=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        wait_for(lambda: os.path.exists(place.path("-import.img")), "the import")
        time.sleep(0.02)
        os.killpg(shell.pid, signal.SIGINT)
        _, err = shell.communicate(timeout=20)
        equal(place.files(), before, f"files after {err!r}")
        equal(os.path.getsize(place.path(".img")), 4 * MIB, "size of what is committed")


@test()
def export_that_is_interrupted(place):
    place.volume("import", PRIVATE, "--from", "-", input=os.urandom(8 * MIB))
    exporter = place.popen("--json", "export", place.pool, PRIVATE, "--to", "-")
    exporter.stdout.read(10)
    exporter.send_signal(signal.SIGINT)
    wait_for(lambda: exporter.poll() is not None, "the end of the export")
    equal(json.loads(exporter.stderr.read())["error"]["code"], "CANCELLED", "code")
    claim(exporter.returncode in INTERRUPTED, f"status {exporter.returncode}")
    exporter.stdout.close()


def drawn_by_slow_import(place, seconds, *options):
    """What an import that takes that long writes to a terminal."""
    master, slave = pty.openpty()
    importer = place.popen("import", place.pool, PRIVATE, "--from", "-", *options,
                           stdin=subprocess.PIPE, stderr=slave)
    os.close(slave)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        importer.stdin.write(bytes(MIB))
        importer.stdin.flush()
        time.sleep(0.01)
    importer.stdin.close()
    claim(importer.wait() in (0, 1), "it did not end")
    importer.stdout.close()
    drawn = b""
    try:
        while chunk := os.read(master, 65536):
            drawn += chunk
    except OSError:  # EIO: nobody has the other end any more
        pass
    os.close(master)
    return drawn


@test("xfs")
def progress_bar(place):
    equal(drawn_by_slow_import(place, 0.1), b"", "what a short copy draws")
    drawn = drawn_by_slow_import(place, 1.5)
    frames = [frame for frame in drawn.split(b"\r\x1b[K") if frame]
    claim(3 <= len(frames) <= 12, f"{len(frames)} frames in 1 s: {drawn!r}")
    claim(re.fullmatch(rb"importing  [\d.]+M  \d+M/s", frames[-1]), f"{frames[-1]!r}")
    claim(drawn.endswith(b"\r\x1b[K"), "it is not erased")
    drawn = drawn_by_slow_import(place, 1.0, "--size", "1G")  # ends too short, with an error
    frames = [frame for frame in drawn.split(b"\r\x1b[K") if frame]
    claim(re.fullmatch(rb"importing  \[#*-+\] +\d+%  [\d.]+M of 1G  \d+M/s", frames[0]),
          f"{frames[0]!r}")
    bars = [frame for frame in frames if frame.startswith(b"importing")]
    claim(max(map(len, bars)) < 80, f"a line is too long: {bars}")
