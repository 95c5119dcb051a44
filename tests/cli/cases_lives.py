# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lives of volumes of each kind, told by the command alone."""
import os
import random
import shutil
import subprocess
import threading
import time

from harness import FILESYSTEMS, MIB, PRIVATE, SLOWNESS, TEMPLATE, claim, equal, test

ROOT = "appvms/work/root"
SNAPSHOT = ["--snapshot", "--source", TEMPLATE]


@test(*FILESYSTEMS)
def life_of_an_origin(place):
    place.volume("create", PRIVATE, "--size", "64M")
    keep = ["--revisions-to-keep", "2"]
    for text in (b"one  ", b"two  ", b"three"):
        place.session(text, PRIVATE, *keep)
    equal(place.committed(5), b"three", "content")
    numbers = [revision["number"] for revision in place.volume("revisions")]
    equal(numbers, [2, 3], "revisions")
    place.volume("revert", PRIVATE, *keep)
    equal(place.committed(5), b"two  ", "after revert")
    place.volume("revert", PRIVATE, *keep)
    equal(place.committed(5), b"three", "and back")
    place.volume("start", PRIVATE, *keep)
    place.write(b"wrong")
    place.volume("discard", PRIVATE, *keep)
    equal(place.committed(5), b"three", "after discard")
    place.volume("remove")
    equal(place.files(), [], "files")
    equal(os.listdir(os.path.join(place.pool, "appvms")), [], "directories")


@test()
def nobody_says_how_many_to_keep(place):
    """What a daemon keeps is not pruned by an administrator who commits one session by hand."""
    place.volume("create", PRIVATE, "--size", "64M")
    for number in range(4):
        place.session(b"state %d" % number, PRIVATE, "--revisions-to-keep", "3")
    image = os.path.join(place.root, "image")
    with open(image, "wb") as file:
        file.truncate(64 * MIB)

    def numbers():
        return [revision["number"] for revision in place.volume("revisions")]

    equal(numbers(), [2, 3, 4], "before")
    place.session(b"by hand", PRIVATE)
    equal(numbers(), [3, 4, 5], "after stop")
    place.volume("import", PRIVATE, "--from", image)
    equal(numbers(), [4, 5, 6], "after import")
    place.volume("resize", PRIVATE, "--size", "32M", "--allow-shrink")
    equal(numbers(), [5, 6, 7], "after a shrink")


@test()
def life_of_a_snapshot(place):
    place.volume("create", TEMPLATE, "--size", "64M")
    place.session(b"old", TEMPLATE)
    place.volume("verify", ROOT, *SNAPSHOT)
    place.volume("start", ROOT, *SNAPSHOT, "--size", "80M")
    equal(os.path.getsize(place.path("-dirty.img", ROOT)), 80 * MIB, "size")
    place.write(b"app", ROOT)
    equal(place.committed(3, TEMPLATE), b"old", "the template")
    equal(place.volume("info", ROOT, *SNAPSHOT)["is_outdated"], False, "is_outdated")
    place.session(b"new", TEMPLATE)
    info = place.volume("info", ROOT, *SNAPSHOT)
    equal([info["is_outdated"], info["is_started"], info["is_dirty"]], [True, True, False], "flags")
    place.volume("stop", ROOT, *SNAPSHOT)
    equal([name for name in place.files() if name.startswith("appvms")],
          ["appvms/work/root-precache.img", "appvms/work/root.img"], "kept for the next start")
    place.volume("start", ROOT, *SNAPSHOT)
    with open(place.path("-dirty.img", ROOT), "rb") as file:
        file.seek(MIB)
        equal(file.read(3), b"new", "started anew")
    equal(place.volume("info", ROOT, *SNAPSHOT)["is_outdated"], False, "is_outdated")


@test()
def life_of_an_origin_snapshot(place):
    place.volume("create", TEMPLATE, "--size", "64M")
    place.session(b"template", TEMPLATE)
    kind = ["--origin-snapshot", "--source", TEMPLATE]
    place.volume("start", ROOT, *kind)
    place.write(b"own", ROOT, 0)
    place.volume("stop", ROOT, *kind)
    equal(place.committed(3, ROOT, 0), b"own", "what was committed")
    equal(place.committed(8, ROOT), b"template", "and comes from the template")


@test()
def life_of_a_volatile(place):
    for size in ("8M", "9M"):
        place.volume("start", PRIVATE, "--volatile", "--size", size)
        with open(place.path("-dirty.img"), "rb") as file:
            equal(file.read(), bytes(int(size[0]) * MIB), "an empty disk")
        place.write(b"secret")
    place.volume("discard", PRIVATE, "--volatile")
    equal(place.files(), [], "files")


@test()
def life_without_snapshots(place):
    off = ["--revisions-to-keep", "-1"]
    place.volume("create", PRIVATE, "--size", "64M", *off)
    place.session(b"one", PRIVATE, *off)
    place.volume("start", PRIVATE, *off)
    equal(place.files(), [PRIVATE + "-dirty.img"], "files while it runs")
    place.write(b"two")
    place.volume_fails("DIRTY", "export", PRIVATE, *off, "--to", "copy")
    place.volume("stop", PRIVATE, *off)
    equal(place.files(), [PRIVATE + ".img"], "files")
    equal(place.committed(3), b"two", "content")
    # Begun without snapshots, ended with them: nothing is stranded.
    place.volume("start", PRIVATE, *off)
    place.volume("stop", PRIVATE, "--revisions-to-keep", "3")
    equal(place.committed(3), b"two", "content")


@test()
def resize_of_a_running_volume(place):
    place.volume("create", PRIVATE, "--size", "8M")
    place.volume("start")
    loop = subprocess.run(["losetup", "-f", "--show", place.path("-dirty.img")], check=True,
                          capture_output=True, text=True).stdout.strip()
    try:
        place.volume("resize", PRIVATE, "--size", "16M")
        size = subprocess.run(["blockdev", "--getsize64", loop], check=True, capture_output=True)
        equal(int(size.stdout), 16 * MIB, "size of the loop device")
        place.volume_fails("INVALID", "resize", PRIVATE, "--size", "4M")
        place.volume("resize", PRIVATE, "--size", "4M", "--allow-shrink")
        size = subprocess.run(["blockdev", "--getsize64", loop], check=True, capture_output=True)
        equal(int(size.stdout), 4 * MIB, "size of the loop device")
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
    place.volume("stop")
    equal(place.volume("info")["size_bytes"], 4 * MIB, "committed size")
    equal(place.volume("revisions")[0]["size_bytes"], 8 * MIB, "size of the revision")


@test()
def resize_of_a_stopped_volume(place):
    place.volume("create", PRIVATE, "--size", "8M")
    place.session(b"text")
    place.volume("resize", PRIVATE, "--size", "16M")
    equal(place.volume("info")["size_bytes"], 16 * MIB, "size")
    equal(place.committed(4), b"text", "content")
    place.volume("resize", PRIVATE, "--size", "4M", "--allow-shrink")
    equal(place.volume("info")["size_bytes"], 4 * MIB, "size")
    equal([r["size_bytes"] for r in place.volume("revisions")][-1], 16 * MIB, "what was cut off")


@test("xfs", "btrfs")
def it_answers_before_it_waits(place):
    place.volume("create", PRIVATE, "--size", "512M")
    place.volume("start")
    with open(place.path("-dirty.img"), "r+b") as file:
        # So many extents that a clone takes a while.
        for block in range(3000 if SLOWNESS > 1 else 20000):
            os.pwrite(file.fileno(), b"x" * 4096, block * 8192)
    command = place.popen("stop", place.pool, PRIVATE, stdout=subprocess.PIPE)
    equal(command.stdout.readline(), PRIVATE.encode() + b": committed\n", "the answer")
    claim(PRIVATE + "-precache.img" not in place.files(), "the precache came first")
    claim(command.poll() is None, "it has not waited")
    equal(command.wait(), 0, "status")
    claim(PRIVATE + "-precache.img" in place.files(), "it has not waited for the precache")
    command.stdout.close()


@test()
def without_waiting_there_is_no_precache(place):
    place.call("--no-wait", "create", place.pool, PRIVATE, "--size", "8M")
    equal(place.files(), [PRIVATE + ".img"], "files")
    place.volume("start")
    place.write(b"x")
    place.volume("stop")
    claim(PRIVATE + "-precache.img" in place.files(), "no precache with waiting")


@test()
def kernels(place):
    pool = os.path.join(place.root, "kernels")
    os.makedirs(os.path.join(pool, "6.12.1"))
    with open(os.path.join(pool, "6.12.1", "modules.img"), "wb") as file:
        file.write(bytes(MIB))

    def call(*command):
        return place.call("--kernels", *command)

    equal(call("info", pool)["kind"], "kernels", "kind")
    listed = call("list", pool)
    equal([(e["vid"], e["size_bytes"], e["is_dirty"]) for e in listed], [("6.12.1", MIB, False)],
          "list")
    info = call("info", pool, "6.12.1")
    equal([info["path"], info["rw"]], [os.path.join(pool, "6.12.1", "modules.img"), False], "info")
    for command in ("verify", "start", "stop"):
        call(command, pool, "6.12.1")
    place.fails("NOT_FOUND", "--kernels", "verify", pool, "6.12.2")
    place.fails("READ_ONLY", "--kernels", "start", pool, "6.12.1", "--origin")
    for command in (["create", "--size", "1M"], ["remove"], ["import", "--from", "/dev/null"],
                    ["resize", "--size", "2M"]):
        place.fails("READ_ONLY", "--kernels", command[0], pool, "6.12.1", *command[1:])
    equal(os.listdir(os.path.join(pool, "6.12.1")), ["modules.img"], "files")


@test()
def included_in(place):
    def answer(*others):
        return place.call("included-in", place.pool, *others)["included_in"]

    outer, root = os.path.dirname(place.root), place.root
    equal(answer(outer, root, "/"), root, "the deepest")
    equal(answer("."), ".", "relative, answered as given")
    equal(answer(place.pool), None, "the pool itself does not count")
    equal(answer(place.pool + "-other", place.pool[:-1], "lvm:vg/pool"), None, "none")
    equal(place.text("included-in", place.pool, root), root + "\n", "text")
    equal(place.text("included-in", place.pool, "/proc"), "none\n", "text")
    for other in ("lvm:", "lvm:vg", "lvm:/pool", "lvm:vg/", "lvm:vg/pool/x", ""):
        place.is_usage_error("included-in", place.pool, other)


@test()
def recovery_after_a_kill(place):
    """A start that is killed anywhere leaves nothing that the next command minds."""
    place.volume("create", PRIVATE, "--size", "64M")
    place.session(b"committed")
    for delay in range(12):
        starter = place.popen("start", place.pool, PRIVATE)
        time.sleep(delay / 2000)
        starter.kill()
        starter.communicate()
        place.call("recover", place.pool)
        place.volume("discard")
        equal(place.committed(9), b"committed", "content")
    place.volume("stop")
    leftovers = [name for name in place.files() if "~" in name or "import" in name]
    equal(leftovers, [], "files left")


@test()
def many_commands_at_once(place):
    """No error but those that say who came first, and a whole volume after it."""
    place.volume("create", PRIVATE, "--size", "8M")
    place.session(b"x" * 4096)
    commands = [["start"], ["stop"], ["revert"], ["discard"], ["resize", "--size", "16M"],
                ["list"], ["recover"], ["import", "--from", "-"], ["export", "--to", "copy"]]
    end = time.monotonic() + 4
    problems = []

    def work(seed):
        chooser = random.Random(seed)
        while time.monotonic() < end and not problems:
            verb, *options = chooser.choice(commands)
            vid = [] if verb in ("list", "recover") else [PRIVATE]
            result = place.run("--json", verb, place.pool, *vid, *options, input=b"x" * (8 * MIB))
            allowed = any(code in result.err for code in (b'"BUSY"', b'"DIRTY"', b'"NOT_FOUND"'))
            # A resize may come after a longer one.
            if result.status != 0 and not allowed and b"smaller" not in result.err:
                problems.append(str(result))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claim(not problems, "\n".join(problems[:3]))
    place.volume("discard")
    equal(place.committed(4096), b"x" * 4096, "content")
    equal(place.call("recover", place.pool)["findings"], [], "findings after it")
    kinds = {name.split("private")[1].split("@")[0].rstrip("0123456789") for name in place.files()}
    claim(kinds <= {".img", ".img.", "-precache.img"}, f"files left: {place.files()}")


@test()
def a_pool_that_goes_away_and_comes_back(place):
    place.volume("create", PRIVATE, "--size", "1M")
    shutil.move(place.pool, place.pool + ".away")
    place.volume_fails("OFFLINE", "start")
    equal(place.call("info", place.pool)["is_online"], False, "is_online")
    shutil.move(place.pool + ".away", place.pool)
    place.volume("start")
