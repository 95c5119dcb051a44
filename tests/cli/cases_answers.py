# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each command answers, as JSON and for people."""
import os
import re

from harness import MIB, PRIVATE, TEMPLATE, claim, equal, shape, test

POOL_FIELDS = {
    "dir_path": str, "kind": str, "is_online": bool, "size_bytes": (int, None),
    "usage_bytes": (int, None), "filesystem_type": (str, None), "mount_point": (str, None),
    "device": (str, None), "device_uuid": (str, None), "logical_sector_bytes": (int, None),
    "physical_sector_bytes": (int, None), "reflink_works": bool,
}
VOLUME_FIELDS = {
    "vid": str, "path": str, "size_bytes": (int, None), "usage_bytes": (int, None),
    "nominal_size_bytes": (int, None), "rw": bool, "save_on_stop": bool, "snap_on_start": bool,
    "revisions_to_keep": int, "ephemeral": bool, "source": (str, None), "is_started": bool,
    "is_dirty": bool, "is_outdated": bool,
}
RESULT_FIELDS = {"vid": str, "result": str}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def result(answer, wanted, **fields):
    shape(answer, {**RESULT_FIELDS, **fields})
    equal(answer["result"], wanted, "result")
    return answer


@test()
def setup_answers(place):
    answer = shape(place.call("setup", place.pool), {"result": str, **POOL_FIELDS})
    equal(answer["result"], "ready", "result")
    equal(sorted(os.listdir(place.pool)), ["appvms", "vm-templates"], "directories")
    equal(place.text("setup", place.pool), f"{place.pool}: ready\n", "text")


@test()
def info_of_a_pool(place):
    info = shape(place.call("info", place.pool), POOL_FIELDS)
    equal(info["dir_path"], place.pool, "dir_path")
    equal(info["kind"], "reflink", "kind")
    equal(info["is_online"], True, "is_online")
    equal(info["filesystem_type"], place.mount.kind, "filesystem_type")
    equal(info["mount_point"], place.mount.path, "mount_point")
    equal(info["device"], place.mount.device, "device")
    equal(info["reflink_works"], True, "reflink_works")
    claim(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", info["device_uuid"]), "uuid")
    claim(0 < info["usage_bytes"] < info["size_bytes"], "size and usage")
    equal(info["logical_sector_bytes"], 512, "sector")
    text = place.text("info", place.pool)
    claim(f"filesystem   {place.mount.kind}\n" in text and "reflinks     work\n" in text, text)
    # A relative path means the same pool.
    equal(place.call("info", "pool")["dir_path"], place.pool, "relative path")


@test()
def info_of_a_pool_that_is_absent(place):
    absent = os.path.join(place.root, "absent")
    info = shape(place.call("info", absent), POOL_FIELDS)
    equal(info["is_online"], False, "is_online")
    equal(info["size_bytes"], None, "size_bytes")
    equal(info["usage_bytes"], None, "usage_bytes")
    claim("state      offline\n" in place.text("info", absent), "text")


@test()
def info_of_a_volume(place):
    info = shape(place.volume("info"), VOLUME_FIELDS)
    equal(info["usage_bytes"], None, "usage before there is an image")
    equal(place.volume("info", PRIVATE, "--volatile", "--size", "7M")["size_bytes"], 7 * MIB,
          "nominal size")
    place.volume("create", PRIVATE, "--size", "64M")
    place.volume("start")
    place.write(os.urandom(MIB))
    os.sync()
    info = shape(place.volume("info"), VOLUME_FIELDS)
    equal(info["vid"], PRIVATE, "vid")
    equal(info["path"], place.path("-dirty.img"), "path")
    equal(info["size_bytes"], 64 * MIB, "size_bytes")
    claim(MIB <= info["usage_bytes"] < 2 * MIB, f"usage_bytes {info['usage_bytes']}")
    equal([info["is_started"], info["is_dirty"], info["is_outdated"]], [True, True, False], "flags")
    equal([info["rw"], info["save_on_stop"], info["snap_on_start"]], [True, True, False], "kind")
    equal([info["revisions_to_keep"], info["source"]], [1, None], "keep, source")
    options = ["--origin-snapshot", "--source", TEMPLATE, "--revisions-to-keep", "5", "--read-only"]
    info = shape(place.volume("info", PRIVATE, *options), VOLUME_FIELDS)
    equal([info["rw"], info["save_on_stop"], info["snap_on_start"]], [False, True, True], "kind")
    equal([info["revisions_to_keep"], info["source"]], [5, TEMPLATE], "keep, source")
    claim("kind      origin\n" in place.text("info", place.pool, PRIVATE), "text")


@test()
def list_answers(place):
    equal(place.call("list", place.pool), [], "empty pool")
    equal(place.text("list", place.pool), "no volumes\n", "empty pool")
    place.volume("create", PRIVATE, "--size", "64M")
    place.volume("create", "appvms/abc/private", "--size", "1536K")
    place.volume("start")
    found = place.call("list", place.pool)
    for entry in found:
        shape(entry, {"vid": str, "size_bytes": int, "usage_bytes": int, "is_dirty": bool})
    equal([(entry["vid"], entry["size_bytes"], entry["is_dirty"]) for entry in found],
          [("appvms/abc/private", 3 * MIB // 2, False), (PRIVATE, 64 * MIB, True)], "list")
    equal(place.text("list", place.pool),
          "VID                  SIZE  USAGE  DIRTY\n"
          "appvms/abc/private   1.5M      0  no\n"
          "appvms/work/private   64M      0  yes\n", "table")


@test()
def revisions_answer(place):
    place.volume("create", PRIVATE, "--size", "64M")
    equal(place.volume("revisions"), [], "none yet")
    equal(place.text("revisions", place.pool, PRIVATE), "no revisions\n", "none yet")
    for number in range(12):
        place.session(b"state %d" % number, PRIVATE, "--revisions-to-keep", "11")
    found = place.volume("revisions")
    for entry in found:
        shape(entry, {"number": int, "created": str, "size_bytes": int})
        claim(TIME.fullmatch(entry["created"]), f"created {entry['created']}")
        equal(entry["size_bytes"], 64 * MIB, "size_bytes")
    equal([entry["number"] for entry in found], list(range(2, 13)), "numbers")
    lines = place.text("revisions", place.pool, PRIVATE).split("\n")
    claim(re.fullmatch(r"NUMBER  CREATED {15}SIZE", lines[0]), lines[0])
    claim(re.fullmatch(r"     2  " + TIME.pattern + r"   64M", lines[1]), lines[1])


@test()
def verbs_answer(place):
    image = os.path.join(place.root, "image")
    with open(image, "wb") as file:
        file.truncate(3 * MIB)
    result(place.volume("create", PRIVATE, "--size", "64M"), "created", size_bytes=int)
    result(place.volume("verify"), "can be started")
    answer = result(place.volume("start"), "started", path=str)
    equal(answer["path"], place.path("-dirty.img"), "path")
    result(place.volume("start"), "resumed", path=str)
    result(place.volume("resize", PRIVATE, "--size", "65M"), "resized", size_bytes=int)
    place.write(b"x")
    result(place.volume("stop"), "committed")
    result(place.volume("stop"), "nothing to do")
    result(place.volume("start"), "started", path=str)
    result(place.volume("discard"), "thrown away")
    result(place.volume("discard"), "nothing to do")
    result(place.volume("revert"), "reverted")
    number = place.volume("revisions")[0]["number"]
    answer = result(place.volume("revert", PRIVATE, "--revision", str(number)), "reverted",
                    number=int)
    equal(answer["number"], number, "number")
    answer = result(place.volume("prune", PRIVATE, "--keep", "0"), "pruned", revisions_left=int)
    equal(answer["revisions_left"], 0, "revisions_left")
    answer = result(place.volume("import", PRIVATE, "--from", image), "imported", size_bytes=int)
    equal(answer["size_bytes"], 3 * MIB, "size_bytes")
    answer = result(place.volume("export", PRIVATE, "--to", image), "exported", size_bytes=int)
    equal(answer["size_bytes"], 3 * MIB, "size_bytes")
    result(place.volume("remove"), "removed")
    equal(place.files(), [], "files left")


@test()
def verbs_answer_people(place):
    def says(answer, *command):
        equal(place.text(command[0], place.pool, PRIVATE, *command[1:]), f"{PRIVATE}: {answer}\n",
              " ".join(command))

    says("created 1.5G", "create", "--size", "1536M")
    says("can be started", "verify")
    says(f"started {place.path('-dirty.img')}", "start")
    says(f"resumed {place.path('-dirty.img')}", "start")
    says("resized to 2G", "resize", "--size", "2G")
    place.write(b"x")
    says("committed", "stop")
    says("nothing to do", "stop")
    says("reverted to revision 1", "revert", "--revision", "1")
    says("pruned to 0 revisions", "prune", "--keep", "0")
    says("removed", "remove")


@test()
def what_is_not_saved_answers(place):
    volatile = ["--volatile", "--size", "8M"]
    result(place.volume("create", PRIVATE, *volatile), "nothing to do")
    result(place.volume("start", PRIVATE, *volatile), "started", path=str)
    result(place.volume("start", PRIVATE, *volatile), "started", path=str)
    result(place.volume("stop", PRIVATE, "--volatile"), "thrown away")
    result(place.volume("stop", PRIVATE, "--volatile"), "nothing to do")
    result(place.volume("import", PRIVATE, "--volatile", "--from", "/dev/null"), "nothing to do")
    result(place.volume("remove", PRIVATE, "--volatile"), "removed")
    equal(place.files(), [], "files left")


@test()
def recover_answers(place):
    equal(shape(place.call("recover", place.pool), {"findings": list})["findings"], [], "findings")
    equal(place.text("recover", place.pool), "nothing to recover\n", "text")
    place.volume("create", PRIVATE, "--size", "1M")
    place.volume("start")
    before = place.files()
    for suffix in ("-import.img", "-dirty.img~a1b2c3d4"):
        with open(place.path(suffix), "wb"):
            pass
    findings = place.call("recover", place.pool)["findings"]
    for finding in findings:
        shape(finding, {"vid": str, "finding": str, "action": str})
        equal(finding["vid"], PRIVATE, "vid")
    text = " ".join(finding["finding"] for finding in findings)
    for word in ("private-import.img", "private-dirty.img~a1b2c3d4", "session"):
        claim(word in text, f"{word} is not reported: {findings}")
    equal(place.files(), before, "files")
    equal(place.text("recover", place.pool).count("\n"), 1, "lines: the session")
