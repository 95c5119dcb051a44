# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: help, usage errors, sizes, hostile names, and streams that are not there."""
import json
import os
import subprocess

from harness import MIB, PRIVATE, claim, equal, test

COMMANDS = ("setup info list recover included-in create remove verify start stop discard revert "
            "resize import export revisions prune").split()
NEEDS_VOLUME = COMMANDS[5:]


@test("xfs")
def help_and_version(place):
    claim(place.text("--version").startswith("qubes-storage "), "version")
    text = place.text("--help")
    for command in COMMANDS:
        claim(f"\n  {command} " in text, f"{command} is not in --help")
        claim("Usage: qubes-storage " + command in place.text(command, "--help"), command)
        claim(place.text(command, "-h"), command)


@test("xfs")
def usage_errors(place):
    place.is_usage_error()
    place.is_usage_error("frobnicate", place.pool)
    place.is_usage_error("list", place.pool, "--frobnicate")
    place.is_usage_error("list", place.pool, "too", "many")
    place.is_usage_error("list", place.pool, "list", place.pool)
    place.is_usage_error("included-in", place.pool)
    for command in COMMANDS:
        place.is_usage_error(command)
    for command in NEEDS_VOLUME:
        place.is_usage_error(command, place.pool)
    for command, missing in {"create": "--size", "resize": "--size", "prune": "--keep",
                             "import": "--from", "export": "--to"}.items():
        place.is_usage_error(command, place.pool, PRIVATE)
        place.is_usage_error(command, place.pool, PRIVATE, missing)
    equal(place.files(), [], "files")


@test("xfs")
def usage_errors_of_kinds(place):
    source = ["--source", "vm-templates/debian/root"]
    for options in (["--snapshot"], ["--origin-snapshot"], source, ["--volatile", *source],
                    ["--origin", "--volatile"], ["--snapshot", "--origin-snapshot", *source],
                    ["--revisions-to-keep", "-2"], ["--revisions-to-keep", "1.5"],
                    ["--revisions-to-keep", "2147483648"], ["--revisions-to-keep", ""],
                    ["--size", "1M", "--size", "2M"]):
        place.is_usage_error("start", place.pool, PRIVATE, *options)
    for number in ("0", "-1", "+1", "1 ", "0x1", "one", "9223372036854775808", ""):
        place.is_usage_error("revert", place.pool, PRIVATE, "--revision", number)
    for number in ("-1", "1K", "2147483648", ""):
        place.is_usage_error("prune", place.pool, PRIVATE, "--keep", number)


@test("xfs")
def sizes(place):
    for number, (text, size) in enumerate({
            "0": 0, "1": 1, "4097": 4097, "007": 7, "3K": 3 << 10, "5M": 5 << 20, "2G": 2 << 30,
            "1T": 1 << 40}.items()):
        vid = f"appvms/work/v{number}"
        equal(place.call("create", place.pool, vid, "--size", text)["size_bytes"], size, text)
        equal(os.path.getsize(place.path(".img", vid)), size, text)
    before = place.files()
    for text in ("", " ", "-1", "+1", "1 ", " 1", "1KB", "1Ki", "1k", "1m", "1B", "K", "1.5G",
                 "0x10", "1e3", "1_000", "1,000", "9223372036854775808", "18446744073709551616",
                 "8388608T", "99999999999999999999999T", "\u0661", "nan", "1\n", "1M 1M"):
        place.is_usage_error("create", place.pool, PRIVATE, "--size", text)
    # The largest that can be said. What the filesystem makes of it is an error or a file.
    result = place.run("create", place.pool, PRIVATE, "--size", str(2**63 - 1))
    claim(result.status in (0, 1), str(result))
    claim(result.status == 0 or place.files() == before, f"something was left: {place.files()}")


@test()
def hostile_vids(place):
    place.volume("create", PRIVATE, "--size", "1M")
    outside = os.path.join(place.root, "outside")
    os.mkdir(outside)
    before = place.files()
    for vid in ("", "/", "private", "work/private", "appvms/work", "appvms/work/", "/appvms/work/x",
                "appvms//private", "appvms/./private", "appvms/../private", "appvms/work/..",
                "appvms/work/.", "../outside/x", "appvms/../../outside", "other/work/private",
                "appvms/work/private/x", "appvms/wo\nrk/x", "appvms/wo\x1b[31mrk/x",
                "appvms/work/x\n", "appvms/work/x-dirty",
                "appvms/work/x-precache", "appvms/work/x-import", "appvms/work/x.img",
                "appvms/work/" + "x" * 256, "appvms/" + "x" * 256 + "/x", "x" * 5000,
                os.path.join(place.pool, PRIVATE)):
        for command in ("create", "start", "remove"):
            more = ["--size", "1M"] if command == "create" else []
            error = place.fails("INVALID", command, place.pool, vid, *more)
            claim(error["message"].isprintable(), f"not printable: {error['message']!r}")
    # A vid that looks like an option has to come after --.
    place.is_usage_error("start", place.pool, "--volatile")
    place.fails("INVALID", "start", place.pool, "--", "--volatile")
    equal(place.files(), before, "files")
    equal(os.listdir(outside), [], "outside")


@test()
def harmless_names_that_look_hostile(place):
    for vid in ("appvms/-x/-y", "appvms/a b/c d", "appvms/work/x~", "appvms/\u00e4/\u2603",
                "appvms/work/...", "appvms/work/x.img.1@2026-01-01T00:00:00Z",
                "appvms/work/$(id)", "appvms/work/;x", "appvms/work/'"):
        place.call("create", place.pool, vid, "--size", "1M")
        place.call("start", place.pool, vid)
        place.call("stop", place.pool, vid)
        claim(vid in [entry["vid"] for entry in place.call("list", place.pool)], f"list of {vid!r}")
        place.call("remove", place.pool, vid)
    equal(place.files(), [], "files")


@test()
def names_that_are_not_utf8(place):
    pool = os.fsencode(place.root) + b"/p\xff\xfe\x80"
    answer = place.call("setup", pool)
    equal(answer["dir_path"], place.root + "/p\ufffd\ufffd\ufffd", "dir_path")
    vid = b"appvms/\xff/\xc3"
    for command in (["create", "--size", "1M"], ["start"], ["info"], ["stop"], ["revisions"]):
        place.call(command[0], pool, vid, *command[1:])
        place.text("info", pool, vid)
    claim("\ufffd" in place.call("list", pool)[0]["vid"], "vid")
    place.fails("EXISTS", "create", pool, vid, "--size", "1M")


@test("xfs")
def global_options_may_come_first_or_last(place):
    for command in (["--json", "list", place.pool], ["list", "--json", place.pool],
                    ["list", place.pool, "--json"]):
        equal(json.loads(place.text(*command)), [], " ".join(command))
    # A pool may be called like a command.
    place.call("setup", "list")
    equal(place.text("list", "list"), "no volumes\n", "list list")


@test()
def standard_output_that_cannot_be_written(place):
    with open("/dev/full", "wb") as full:
        result = place.run("--json", "create", place.pool, PRIVATE, "--size", "1M", stdout=full)
    equal(result.status, 1, "status")
    equal(json.loads(result.err)["error"]["code"], "NO_SPACE", "code")
    claim(PRIVATE + ".img" in place.files(), "it was not done")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        result = place.run("list", place.pool, stdout=pipe)
    equal(result.status, 1, "status with a closed pipe")
    claim(result.err.startswith(b"qubes-storage: cannot write standard output: "), str(result))
    with open("/dev/full", "wb") as full:
        equal(place.run("--help", stdout=full).status, 1, "status of --help")


@test()
def standard_streams_that_are_closed(place):
    """No file of the pool gets the number of a closed stream, and is written to."""
    place.volume("create", PRIVATE, "--size", "1M")
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        for command in ("start", "stop", "list", "start", "export --to copy", "discard"):
            verb, *options = command.split()
            vid = [] if verb == "list" else [PRIVATE]
            words = [place.program, verb, place.pool, *vid, *options]
            done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], cwd=place.root,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            equal(done.returncode, 1 if ">&- " in closed + " " and "2>&-" != closed else 0,
                  f"{command} {closed}")
        for name in place.files():
            with open(os.path.join(place.pool, name), "rb") as file:
                equal(file.read(), bytes(MIB), f"content of {name} after {closed}")
