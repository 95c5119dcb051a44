#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be told of the Python package without a volume: its declarations are those of the
header, its types hold, and what setuptools makes of it is what `make install-python` installs.

usage: tests/python/test_static.py BUILD_DIR
"""
import configparser
import ctypes
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../bindings"))
from installed import CHECKOUT, LIBRARY, PACKAGE, install  # noqa: E402

SOURCE = os.path.join(CHECKOUT, "bindings", "python")
PYTHONS = ("3.9", "3.11")  # the oldest that is supported, and that of Debian 12
# What knows mypy and setuptools is Debian's, whatever comes first in PATH.
SYSTEM_PYTHON = "/usr/bin/python3"
PREFIX = "qubes_storage_"


def read(*names):
    with open(os.path.join(CHECKOUT, *names), encoding="utf-8") as file:
        return file.read()


# ---- The header ---------------------------------------------------------------------------------

DECLARATION = re.compile(r"^(\w[\w \n]*?[ *]+)qubes_storage_(\w+)\(([^;]*)\);$", re.M)
CALLBACK = re.compile(r"^typedef (\w+) \(\*qubes_storage_(\w+)\)\(([^;]*)\);$", re.M)
NUMBERS = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64,
           "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t, "int": ctypes.c_int,
           "void": None}


class Header:
    """The declarations of the header, in words of ctypes."""

    def __init__(self, text, declared):
        self.text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.handles = declared.HANDLES
        self.callbacks = {"progress": declared.Progress, "log": declared.Log}

    def type_of(self, words):
        """Of `const char *`, `qubes_storage_pool **pool`; None for `void`."""
        words = re.sub(r"\bconst\b", "", words)
        name, stars = re.match(r"\s*(\w+)", words)[1], words.count("*")
        if name.startswith(PREFIX):
            name = name[len(PREFIX):]
            if name in self.callbacks:
                base = self.callbacks[name]
            else:
                base, stars = self.handles[name], stars - 1
        elif name in ("char", "void") and stars:
            base = ctypes.c_char_p if name == "char" else ctypes.c_void_p
            stars -= 1
        else:
            base = NUMBERS[name]
        for _ in range(stars):
            base = ctypes.POINTER(base)
        return base

    def arguments(self, words):
        return [] if words.strip() == "void" else [self.type_of(w) for w in words.split(",")]

    def functions(self):
        return {name: (self.type_of(result), *self.arguments(arguments))
                for result, name, arguments in DECLARATION.findall(self.text)
                if not result.startswith("typedef")}

    def constants(self):
        found = re.findall(r"^#define QUBES_STORAGE_(\w+) (\S+) *$", self.text, re.M)
        return {name: int(value.strip("()u")) for name, value in found if value != "UINT64_MAX"}


def declarations_are_those_of_the_header(package, header):
    wanted = header.functions()
    # Nothing may be missed by the pattern: each name is in the symbol map as well.
    exported = set(re.findall(r"\bqubes_storage_(\w+);", read("c-api", "libqubesstorage.map")))
    assert set(wanted) == exported, set(wanted) ^ exported
    found = package._declarations.FUNCTIONS
    assert set(found) == set(wanted), f"on one side only: {sorted(set(found) ^ set(wanted))}"
    wrong = [f"{name}: {found[name]}, not {types}" for name, types in wanted.items()
             if tuple(found[name]) != types]
    assert not wrong, "\n".join(wrong)


# Where Python has another word, or a property beside it.
RENAMED = {"pool_list": "volumes", "volume_get_revisions": "list_revisions"}


def each_operation_is_a_method_and_a_coroutine(package, header):
    """Of the header's own list: what has a twin there has one here."""
    twins = {name for name in header.functions() if name.endswith("_async")}
    for name in sorted(name[:-len("_async")] for name in twins):
        owner, _, verb = name.partition("_")
        verb = RENAMED.get(name, verb.replace("get_", "", 1))
        owner = {"pool": package.Pool, "volume": package.Volume}.get(owner)
        if owner is None:
            owner, verb = package, name
        plain, twin = getattr(owner, verb, None), getattr(owner, verb + "_async", None)
        assert inspect.isfunction(plain) and not inspect.iscoroutinefunction(plain), name
        assert inspect.iscoroutinefunction(twin), name
        asked, answered = inspect.signature(plain), inspect.signature(twin)
        assert asked == answered, f"{name}: {asked}, {answered}"
    assert len(twins) > 25, len(twins)


def handles_and_callbacks_are_those_of_the_header(package, header):
    names = re.findall(r"^typedef struct qubes_storage_(\w+) qubes_storage_\1;$", header.text, re.M)
    assert sorted(package._declarations.HANDLES) == sorted(names), names
    assert len({*package._declarations.HANDLES.values()}) == len(names), "one class for two"
    found = {name: (header.type_of(result), *header.arguments(arguments))
             for result, name, arguments in CALLBACK.findall(header.text)}
    wanted = {name: (kind._restype_, *kind._argtypes_) for name, kind in header.callbacks.items()}
    assert found == wanted, (found, wanted)


def constants_are_those_of_the_header(package, header):
    constants = header.constants()
    codes = {name: value for name, value in constants.items() if value < 0}
    assert {code.name: code.value for code in package.Code} == codes, codes
    assert [constants["POOL_" + kind.upper()] for kind in package.info.KINDS] == [0, 1]
    assert constants["RESIZE_SHRINK"] == package.volume.RESIZE_SHRINK
    assert constants["CLONE_KEEP_MTIME"] == package.files.CLONE_KEEP_MTIME
    assert package._ffi.UNKNOWN == 2**64 - 1
    for code in package.Code:
        assert package._ffi.function("code_name")(code).decode() == code.name
    assert package.version() == read("version").strip()


def a_drift_is_noticed(package, header):
    """The comparison sees a function that has another type, and one that is not there."""
    for before, after in (("int32_t keep, uint32_t flags", "uint64_t keep, uint32_t flags"),
                          ("int32_t qubes_storage_loop_refresh(", "int32_t qubes_storage_other("),
                          ("qubes_storage_pool_ref(qubes_storage_pool *pool)",
                           "qubes_storage_pool_ref(qubes_storage_job *pool)")):
        assert before in header.text, before
        changed = Header(header.text.replace(before, after), package._declarations)
        assert changed.functions() != package._declarations.FUNCTIONS, after


# ---- Types, packages ----------------------------------------------------------------------------


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def mypy(*arguments, **options):
    cache = os.path.join(os.path.abspath(sys.argv[1]), "mypy-cache")
    return run(SYSTEM_PYTHON, "-m", "mypy", "--strict", "--cache-dir", cache, *arguments,
               **options)


def types_hold(_package, _header):
    """Of the sources. The base classes of the driver are those of the stand-in."""
    environment = {**os.environ, "MYPYPATH": os.path.join(CHECKOUT, "tests", "python")}
    environment.pop("PYTHONPATH")
    for version in PYTHONS:
        mypy("--python-version", version, "qubesstorage", cwd=SOURCE, env=environment)


def users_have_types(_package, _header):
    """Of what is installed, which counts only with py.typed: a wrong use is told, a right one is
    not."""
    right = ("import qubesstorage\n"
             "volume = qubesstorage.Pool('/p').volume('appvms/a/b', source=None)\n"
             "size: int = volume.size or 0\n")
    with tempfile.TemporaryDirectory() as directory:
        for text, is_right in ((right, True), (right + "volume.resize('1')\n", False)):
            path = os.path.join(directory, "program.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            try:
                mypy(path, cwd=directory)
                told = False
            except AssertionError as error:
                told = "resize" in str(error)
                assert told, error
            assert told is not is_right, text


def setuptools_makes_what_is_installed(package, _header):
    with tempfile.TemporaryDirectory() as work:
        source = os.path.join(work, "source")
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        script = "import sys, setuptools.build_meta as m; print(m.build_wheel(sys.argv[1]))"
        run(SYSTEM_PYTHON, "-c", script, work, cwd=source, env=environment)
        wheel, = [name for name in os.listdir(work) if name.endswith(".whl")]
        version = read("version").strip()
        assert wheel == f"qubesstorage-{version}-py3-none-any.whl", wheel
        with zipfile.ZipFile(os.path.join(work, wheel)) as archive:
            made = {name: archive.read(name) for name in archive.namelist()}
    installed = os.path.dirname(os.path.dirname(package.__file__))
    names = {os.path.relpath(os.path.join(directory, name), installed)
             for directory, _, names in os.walk(installed) for name in names}
    only_pip = {f"qubesstorage-{version}.dist-info/{n}" for n in ("RECORD", "WHEEL",
                                                                 "top_level.txt")}
    assert names == set(made) - only_pip, names ^ (set(made) - only_pip)
    for name in names - {f"qubesstorage-{version}.dist-info/METADATA"}:
        with open(os.path.join(installed, name), "rb") as file:
            text = file.read()
        if name.endswith("entry_points.txt"):
            assert _entries(text) == _entries(made[name]), name
        else:
            assert text == made[name], name


def _entries(text):
    parser = configparser.ConfigParser()
    parser.read_string(text.decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def uninstall_leaves_nothing(_package, _header):
    with tempfile.TemporaryDirectory() as root:
        for verb in ("install-python", "uninstall-python"):
            run("make", "-s", "-C", CHECKOUT, f"DESTDIR={root}", f"PYTHONDIR={PACKAGE}", verb)
        assert os.listdir(root + PACKAGE) == [], os.listdir(root + PACKAGE)


def no_library_is_told(package, _header):
    """Without the library the import says so."""
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    done = subprocess.run([sys.executable, "-c", "import qubesstorage"], env=environment,
                          capture_output=True, text=True, check=False)
    if "libqubesstorage.so.0" in done.stderr:
        assert "ImportError: cannot load libqubesstorage.so.0" in done.stderr, done.stderr
    else:  # one is installed here
        assert done.returncode == 0, done.stderr
    assert package._ffi.SONAME == "libqubesstorage.so.0"


TESTS = (declarations_are_those_of_the_header, each_operation_is_a_method_and_a_coroutine,
         handles_and_callbacks_are_those_of_the_header,
         constants_are_those_of_the_header, a_drift_is_noticed, types_hold, users_have_types,
         setuptools_makes_what_is_installed, uninstall_leaves_nothing, no_library_is_told)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = os.path.join(os.path.abspath(sys.argv[1]), "python-static-root")
    if os.environ.get("PYTHONPATH") != root + PACKAGE:
        # LD_LIBRARY_PATH counts from the beginning of a process only.
        install(sys.argv[1], root)
        os.environ.update(LD_LIBRARY_PATH=root + LIBRARY, PYTHONPATH=root + PACKAGE,
                          PYTHONDONTWRITEBYTECODE="1")
        os.execv(sys.executable, [sys.executable, "-B", *sys.argv])
    import qubesstorage  # pylint: disable=import-outside-toplevel
    header = Header(read("include", "qubes", "storage.h"), qubesstorage._declarations)
    failed = 0
    for test in TESTS:
        try:
            test(qubesstorage, header)
            print(f"ok     {test.__name__}")
        except AssertionError as error:
            print(f"FAILED {test.__name__}\n  {error}")
            failed += 1
    if failed:
        print("repeat: make check-one T=python-static")
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
