#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library keeps the ABI of its releases, and a program of each release runs with it; or with
--variants: `scripts/abi check` fails for each way not to keep it.
usage: tests/abi/test_abi.py BUILD [--variants]"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/documents"))
import checks  # noqa: E402  pylint: disable=wrong-import-position
from checks import run  # noqa: E402  pylint: disable=wrong-import-position

NAME = "qubes_storage_code_name"
SHEEP = "qubes_storage_sheep"
ABI = os.path.join(ROOT, "scripts/abi")


class Variant:
    """A copy of what makes up the interface, to be altered, and the library that comes of it."""

    compiled = {}  # c-api/error.cc and what it is altered with -> the object

    def __init__(self, work, build):
        self.work = work
        for directory in ("include", "c-api"):
            shutil.copytree(os.path.join(ROOT, directory), os.path.join(work, directory))
        shutil.copy(os.path.join(ROOT, "version"), work)
        os.symlink(os.path.join(ROOT, "src"), os.path.join(work, "src"))
        self.objects = [path for directory in ("src", "src/fs", "c-api")
                        for path in glob.glob(os.path.join(build, directory, "*.o"))]

    def edit(self, path, old, new):
        path = os.path.join(self.work, path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count(old) != 1:
            raise ValueError(f"{text.count(old)} times in {path}: {old}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def compile_errors(self):
        """c-api/error.cc as it was altered takes the place of the built one."""
        text = checks.read(self.work, ERRORS) + checks.read(self.work, "c-api/handles.h")
        if text not in self.compiled:
            self.compiled[text] = self.compile()
        with open(os.path.join(self.work, "error.o"), "wb") as file:
            file.write(self.compiled[text])
        self.objects = [o for o in self.objects if not o.endswith("/c-api/error.o")] + ["error.o"]

    def compile(self):
        target = os.path.join(self.work, "made.o")
        self.must("g++", "-std=c++20", "-g", "-fPIC", "-fvisibility=hidden",
                  "-fvisibility-inlines-hidden", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64",
                  '-DQUBES_STORAGE_VERSION_STRING="0"', "-Iinclude", "-iquote", ".", "-c",
                  "c-api/error.cc", "-o", target)
        with open(target, "rb") as file:
            return file.read()

    def link(self, *options):
        library = os.path.join(self.work, "libqubesstorage.so.0")
        self.must("g++", "-shared", "-Wl,-soname,libqubesstorage.so.0", *options,
                  "-Wl,--version-script,c-api/libqubesstorage.map", *self.objects, "-lmount",
                  "-lblkid", "-o", library)
        return library

    def must(self, *command):
        subprocess.run(command, cwd=self.work, check=True)

    def check(self, *options):
        return run(ABI, "check", self.link(*options), self.work)


def new_node(name, before="QUBES_STORAGE_0.1"):
    """The end of the map with another node behind it."""
    return f"  local:\n    *;\n}};\nQUBES_STORAGE_0.2 {{\n  global:\n    {name};\n}} {before};"


END = "  local:\n    *;\n};"
MAP, HEADER, ERRORS = "c-api/libqubesstorage.map", "include/qubes/storage.h", "c-api/error.cc"


def declare_sheep(variant, comment):
    variant.edit(HEADER, "/* The version of the library in use",
                 f"/* {comment} */\nint32_t {SHEEP}(void);\n\n/* The version of the library in use")
    variant.edit(ERRORS, 'extern "C" {', f'extern "C" {{\nint32_t {SHEEP}(void) {{ return 7; }}')
    variant.compile_errors()


def unaltered(variant):
    del variant


def dropped(variant):
    variant.edit(MAP, f"    {NAME};\n", "")


def changed_argument(variant):
    variant.edit(HEADER, f"*{NAME}(int32_t code)", f"*{NAME}(int64_t code)")
    variant.edit(ERRORS, f"{NAME}(int32_t code)", f"{NAME}(int64_t code)")
    variant.compile_errors()


def changed_result(variant):
    variant.edit(HEADER, "int32_t qubes_storage_error_errno(", "int64_t qubes_storage_error_errno(")
    variant.edit(ERRORS, "int32_t qubes_storage_error_errno(", "int64_t qubes_storage_error_errno(")
    variant.compile_errors()


def changed_callback(variant):
    variant.edit(HEADER, "void *opaque, uint64_t bytes_done, uint64_t bytes_total)",
                 "void *opaque, uint64_t bytes_done)")


def changed_constant(variant):
    variant.edit(HEADER, "#define QUBES_STORAGE_TIMEOUT (-13)", "#define QUBES_STORAGE_TIMEOUT 5")


def dropped_constant(variant):
    variant.edit(HEADER, "#define QUBES_STORAGE_CLONE_KEEP_MTIME 1u\n", "")


def moved(variant):
    variant.edit(MAP, f"    {NAME};\n", "")
    variant.edit(MAP, END, new_node(NAME))


def added_to_old_node(variant):
    declare_sheep(variant, "Counts sheep. Since 0.2.0.")
    variant.edit("version", checks.read("version"), "0.2.0\n")
    variant.edit(MAP, f"    {NAME};\n", f"    {NAME};\n    {SHEEP};\n")


def added_without_since(variant):
    declare_sheep(variant, "Counts sheep.")
    variant.edit("version", checks.read("version"), "0.2.0\n")
    variant.edit(MAP, END, new_node(SHEEP))


def added_without_version(variant):
    declare_sheep(variant, "Counts sheep. Since 0.2.0.")
    variant.edit(MAP, END, new_node(SHEEP))


def added_without_header(variant):
    variant.edit(ERRORS, 'extern "C" {', f'extern "C" {{\n[[gnu::visibility("default")]] int32_t '
                 f'{SHEEP}(void);\nint32_t {SHEEP}(void) {{ return 7; }}')
    variant.compile_errors()
    variant.edit("version", checks.read("version"), "0.2.0\n")
    variant.edit(MAP, END, new_node(SHEEP))


def added_after_nothing(variant):
    declare_sheep(variant, "Counts sheep. Since 0.2.0.")
    variant.edit("version", checks.read("version"), "0.2.0\n")
    variant.edit(MAP, END, new_node(SHEEP, before=""))


def added_as_it_must_be(variant):
    declare_sheep(variant, "Counts sheep. Since 0.2.0.")
    variant.edit("version", checks.read("version"), "0.2.0\n")
    variant.edit(MAP, END, new_node(SHEEP))


def other_inside(variant):
    """What no program can see may change: the layout of a handle."""
    variant.edit("c-api/handles.h", "  int errno_value = 0;", "  long sheep = 3; int errno_value = 0;")
    variant.compile_errors()


# What `scripts/abi check` has to say; nothing where it has to be content.
VARIANTS = {
    unaltered: [],
    other_inside: [],
    added_as_it_must_be: [],
    dropped: ["abidiff: 0.1.0 is not kept", f"{NAME}@QUBES_STORAGE_0.1 of 0.1.0 is gone"],
    # In words that each libabigail has: how it tells of the types differs.
    changed_argument: ["abidiff: 0.1.0 is not kept", "0 Removed, 1 Changed, 0 Added function",
                       "a declaration or constant of 0.1.0 has changed"],
    changed_result: ["abidiff: 0.1.0 is not kept", "0 Removed, 1 Changed, 0 Added function",
                     "a declaration or constant of 0.1.0 has changed"],
    changed_callback: ["a declaration or constant of 0.1.0 has changed"],
    changed_constant: ["a declaration or constant of 0.1.0 has changed"],
    dropped_constant: ["the constant QUBES_STORAGE_CLONE_KEEP_MTIME of 0.1.0 is gone"],
    moved: [f"{NAME}@QUBES_STORAGE_0.1 of 0.1.0 is gone: it is in QUBES_STORAGE_0.2"],
    added_to_old_node: [f"{SHEEP} is new, but in the node QUBES_STORAGE_0.1, which has been"],
    added_without_since: [f"{SHEEP} is new, but the header does not say \"Since 0.2.0\""],
    added_without_version: [f"{SHEEP} is new, but the version is still 0.1.0"],
    added_without_header: [f"{SHEEP} is exported, and the header does not declare it"],
    added_after_nothing: ["the node QUBES_STORAGE_0.2 follows None, not QUBES_STORAGE_0.1"],
}


def check_variants(check, build):
    for alter, wanted in VARIANTS.items():
        with tempfile.TemporaryDirectory() as work:
            variant = Variant(work, build)
            alter(variant)
            status, output = variant.check()
        name = alter.__name__
        check.claim((status != 0) == bool(wanted), f"{name}: status {status}: {output}")
        for words in wanted:
            check.claim(words in output, f"{name}: not told of: {words}: {output}")
    with tempfile.TemporaryDirectory() as work:
        status, output = Variant(work, build).check("-s")
        check.claim(status != 0 and "without debugging information" in output,
                    f"a library without debugging information: {output}")


def compile_released(check, release, work):
    """tests/abi/released.c, and a table of all functions so that each is asked of the library."""
    header = os.path.join(ROOT, "abi", release, "include/qubes/storage.h")
    with open(header, encoding="ascii") as file:
        names = sorted(set(re.findall(r"\b(qubes_storage_\w+)\(", file.read())))
    with open(os.path.join(work, "all.c"), "w", encoding="ascii") as file:
        file.write("#include <qubes/storage.h>\ntypedef void (*function)(void);\n"
                   "extern const function all[];\nconst function all[] = {\n" +
                   "".join(f"  (function){name},\n" for name in names) + "};\n")
    stub = os.path.join(work, "libqubesstorage.so")
    status, output = run(ABI, "stub", release, stub)
    check.claim(status == 0, f"the stub of {release}: {output}")
    program = os.path.join(work, "released")
    status, output = run("gcc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Werror",
                         "-Wno-cast-function-type", "-I", os.path.dirname(os.path.dirname(header)),
                         os.path.join(ROOT, "tests/abi/released.c"), os.path.join(work, "all.c"),
                         "-L", work, "-lqubesstorage", "-Wl,-z,now", "-o", program)
    check.claim(status == 0, f"a program of {release} is linked: {output}")
    os.unlink(stub)
    return program, names


def check_programs(check, build):
    releases = sorted(os.listdir(os.path.join(ROOT, "abi")))
    check.claim("0.1.0" in releases, "the first release is kept")
    for release in releases:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
            program, names = compile_released(check, release, work)
            _, undefined = run("nm", "-D", "--undefined-only", program)
            check.claim(all(f" {name}@QUBES_STORAGE_" in undefined for name in names),
                        f"the program asks for each function with its version: {undefined}")
            pool = os.path.join(work, "pool")
            status, output = run(program, pool, env={"LD_LIBRARY_PATH": build})
            check.equal((status, output), (0, checks.read("version")), f"program of {release}")
            # The same with a library that lacks one: the loader says so.
            os.mkdir(os.path.join(work, "variant"))
            variant = Variant(os.path.join(work, "variant/tree"), build)
            dropped(variant)
            variant.link()
            status, output = run(program, pool, env={"LD_LIBRARY_PATH": variant.work})
            check.claim(status != 0 and NAME in output, f"with a library that lacks one: {output}")


def differences(kept, made):
    """What abidiff finds between two descriptions, either of which may be the older one; "" if nothing.
    The files are never the same text: each libabigail and each compiler has its own."""
    return "".join(output for status, output in (run("abidiff", kept, made),
                                                 run("abidiff", made, kept)) if status)


def files_in(directory):
    return [os.path.relpath(os.path.join(place, name), directory)
            for place, _, names in os.walk(directory) for name in names]


def words(path):
    """A header as the preprocessor leaves it, but for white space, of which compilers differ."""
    return checks.read(path).split()


def check_differences(check, build, kept):
    """They are told of another interface, and not of another program that describes it."""
    with tempfile.TemporaryDirectory() as work:
        for number, options in enumerate(([], ["--type-id-style", "sequence"], ["--short-locs"])):
            made = os.path.join(work, f"{number}.abi")
            status, output = run("abidw", *options, "--no-architecture", "--drop-private-types",
                                 "--exported-interfaces-only", "--headers-dir",
                                 os.path.join(ROOT, "include"), "--out-file", made,
                                 os.path.join(build, "libqubesstorage.so.0"))
            check.claim(status == 0, f"abidw: {output}")
            check.claim(checks.read(made) != checks.read(kept), "the same text, told otherwise")
            check.equal(differences(kept, made), "", f"described with {options}")
    for alter, how in ((dropped, "1 Removed"), (added_as_it_must_be, "1 Added"),
                       (changed_result, "1 Changed")):
        with tempfile.TemporaryDirectory() as work:
            variant = Variant(os.path.join(work, "tree"), build)
            alter(variant)
            made = os.path.join(work, "made.abi")
            run("abidw", "--out-file", made, variant.link())
            found = differences(kept, made)
            check.claim(how in found, f"{alter.__name__}: {found}")


def check_kept(check, build):
    """What is kept of today's version, if it is a release already, says what `keep` would write."""
    version = checks.read("version").strip()
    kept = os.path.join(ROOT, "abi", version)
    if not os.path.isdir(kept):
        return
    with tempfile.TemporaryDirectory() as work:
        for name in ("scripts", "include", "c-api", "version"):
            source = os.path.join(ROOT, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(
                source, os.path.join(work, name))
        status, output = run(os.path.join(work, "scripts/abi"), "keep",
                             os.path.join(build, "libqubesstorage.so.0"))
        check.claim(status == 0, f"keep: {output}")
        made = os.path.join(work, "abi", version)
        check.equal(sorted(files_in(kept)), sorted(files_in(made)), f"files in abi/{version}")
        description, header = "libqubesstorage.abi", "include/qubes/storage.h"
        found = differences(os.path.join(kept, description), os.path.join(made, description))
        check.claim(not found, f"abi/{version} is not what `make abi-keep` writes: {found[:2000]}")
        check.claim(words(os.path.join(kept, header)) == words(os.path.join(made, header)),
                    f"the header in abi/{version} is not what `make abi-keep` writes")
    check_differences(check, build, os.path.join(kept, description))


def main():
    build = os.path.abspath(sys.argv[1])
    check = checks.Checks()
    if sys.argv[2:] == ["--variants"]:
        check_variants(check, build)
    else:
        status, output = run(ABI, "check", os.path.join(build, "libqubesstorage.so.0"))
        check.claim(status == 0, output)
        check_kept(check, build)
        check_programs(check, build)
    check.end("tests/abi/test_abi.py " + " ".join(sys.argv[1:]))


if __name__ == "__main__":
    main()
