# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the command stand on: filesystems to work on, the command, and claims."""
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
FILESYSTEMS = ("xfs", "btrfs")
# Where the processor is emulated, twenty milliseconds are nothing.
SLOWNESS = float(os.environ.get("QUBES_STORAGE_TEST_SLOWNESS", "1"))
PRIVATE = "appvms/work/private"
TEMPLATE = "vm-templates/debian/root"

ERROR_FIELDS = {"code": str, "errno": int, "step": str, "path": str, "message": str}


class Failure(Exception):
    """A claim that does not hold."""


def claim(holds, what):
    if not holds:
        raise Failure(what)


def equal(found, wanted, what):
    claim(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}")


def shape(value, fields):
    """`value` is an object with exactly these fields; a type in a tuple with None may be null."""
    claim(isinstance(value, dict), f"{value!r} is not an object")
    equal(list(value), list(fields), "fields")
    for name, kind in fields.items():
        may_be_null = isinstance(kind, tuple)
        kind = kind[0] if may_be_null else kind
        is_right = type(value[name]) is kind or (may_be_null and value[name] is None)
        claim(is_right, f"{name} is {value[name]!r}, not {kind.__name__}")
    return value


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        claim(time.monotonic() < end, f"waited {seconds} s for {what}")
        time.sleep(0.005)


# ---- Filesystems --------------------------------------------------------------------------------

MARK = "QUBES_STORAGE_TEST_NAMESPACE"


def enter_namespace():
    """Its own mounts: they go with the process, however it ends, and with them the loop devices."""
    if os.environ.get(MARK):
        return
    os.environ[MARK] = "1"
    # Without a compiled copy: the checkout stays clean.
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-B"]
    os.execvp(command[0], command + [os.path.abspath(sys.argv[0]), *sys.argv[1:]])


class Mount:
    """A filesystem in an image file (in `parent`, or where there is room), mounted by a loop device,
    or a tmpfs of that size."""

    def __init__(self, kind, size=512 * MIB, parent=None):
        room = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 0
        parent = parent or ("/dev/shm" if room > 2 * size else "/var/tmp")
        self.directory = tempfile.mkdtemp(prefix="qubes-storage-cli-", dir=parent)
        self.kind = kind
        self.path = os.path.join(self.directory, "mount")
        os.mkdir(self.path)
        self.device = None
        self._mount(kind, size)

    def _mount(self, kind, size):
        if kind == "tmpfs":
            subprocess.run(["mount", "-t", kind, "-o", f"size={size}", kind, self.path], check=True)
            return
        image = os.path.join(self.directory, "image")
        with open(image, "wb") as file:
            file.truncate(size)
        options = ["--unsupported"] if kind == "xfs" and size < 300 * MIB else []
        subprocess.run([f"mkfs.{kind}", "-q", *options, image], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["mount", "-t", kind, "-o", "loop", image, self.path], check=True)
        self.device = subprocess.run(["findmnt", "-no", "SOURCE", self.path], check=True,
                                     capture_output=True, text=True).stdout.strip()

    def flushes(self):
        """Flush requests completed: the 16th field (the kernel's Documentation/block/stat.rst)."""
        with open(f"/sys/block/{os.path.basename(self.device)}/stat", encoding="ascii") as file:
            return int(file.read().split()[15])

    def fill(self):
        """Until nothing more can be written: most of it is only taken."""
        path = os.path.join(self.path, "ballast")
        with open(path, "ab", buffering=0) as file:
            piece = 64 * MIB
            while piece > MIB:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                except OSError:
                    piece //= 2
            for size in (MIB, 65536, 4096):
                try:
                    while True:
                        file.write(b"x" * size)
                        os.fsync(file.fileno())
                except OSError:
                    pass
        return path

    def close(self):
        for _ in range(100):
            if subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.05)
        else:
            subprocess.run(["umount", "-l", self.path], check=True)
        shutil.rmtree(self.directory)


# ---- The command --------------------------------------------------------------------------------


class Result:
    def __init__(self, command, status, out, err):
        self.command, self.status = command, status
        self.out, self.err = out or b"", err or b""  # None where it went somewhere else

    def __str__(self):
        return (f"{' '.join(map(os.fsdecode, self.command))}\n    status {self.status}\n"
                f"    stdout {self.out[:2000]!r}\n    stderr {self.err[:2000]!r}")


class Place:
    """An empty pool on a filesystem, and the command to use on it."""

    def __init__(self, program, mount):
        self.program = program
        self.mount = mount
        self.root = tempfile.mkdtemp(prefix="place-", dir=mount.path)
        self.pool = os.path.join(self.root, "pool")
        self.own_mounts = []
        self.call("setup", self.pool)

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)
        for mount in self.own_mounts:
            mount.close()

    def another_mount(self, kind, size=512 * MIB):
        self.own_mounts.append(Mount(kind, size))
        return self.own_mounts[-1]

    def run(self, *arguments, **options):
        """Any command line; what it answered, whatever that is."""
        command = [self.program, *map(os.fsencode, arguments)]
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(command, timeout=120, cwd=self.root, **options)
        return Result(command, done.returncode, done.stdout, done.stderr)

    def popen(self, *arguments, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([self.program, *map(os.fsencode, arguments)], cwd=self.root,
                                **options)

    def call(self, *arguments, **options):
        """With --json, and it must succeed. Returns the answer."""
        result = self.run("--json", *arguments, **options)
        claim(result.status == 0 and not result.err, f"it failed: {result}")
        return json.loads(result.out)

    def volume(self, command, vid=PRIVATE, *options, **more):
        return self.call(command, self.pool, vid, *options, **more)

    def text(self, *arguments, **options):
        """Without --json, and it must succeed. Returns the answer."""
        result = self.run(*arguments, **options)
        claim(result.status == 0 and not result.err, f"it failed: {result}")
        return result.out.decode(errors="replace")

    def fails(self, code, *arguments, **options):
        """It must fail with that code. Returns the error."""
        result = self.run("--json", *arguments, **options)
        claim(result.status == 1 and not result.out, f"it should have failed: {result}")
        answer = shape(json.loads(result.err), {"error": dict})
        error = shape(answer["error"], ERROR_FIELDS)
        equal(error["code"], code, f"code of {result}")
        return error

    def volume_fails(self, code, command, vid=PRIVATE, *options, **more):
        return self.fails(code, command, self.pool, vid, *options, **more)

    def is_usage_error(self, *arguments):
        result = self.run(*arguments)
        claim(result.status == 2 and not result.out, f"no usage error: {result}")
        claim(result.err.startswith(b"qubes-storage: "), f"no explanation: {result}")

    # ---- Files of a volume ----------------------------------------------------------------------

    def path(self, suffix, vid=PRIVATE):
        """Of the file `NAME` + suffix, for example "-dirty.img"."""
        return os.path.join(self.pool, vid + suffix)

    def files(self):
        """All files of the pool, relative to it, sorted."""
        return sorted(os.path.relpath(os.path.join(directory, name), self.pool)
                      for directory, _, names in os.walk(self.pool) for name in names)

    def write(self, text, vid=PRIVATE, offset=MIB):
        """As a VM does: in place."""
        with open(self.path("-dirty.img", vid), "r+b") as file:
            file.seek(offset)
            file.write(text)

    def committed(self, length, vid=PRIVATE, offset=MIB):
        with open(self.path(".img", vid), "rb") as file:
            file.seek(offset)
            return file.read(length)

    def session(self, text, vid=PRIVATE, *options):
        """A session that writes `text` and is committed."""
        self.call("start", self.pool, vid, *options)
        self.write(text, vid)
        self.call("stop", self.pool, vid, *options)


# ---- The list of tests --------------------------------------------------------------------------

TESTS = []
_turns = itertools.cycle(FILESYSTEMS)


def test(*filesystems):
    """A test, for each of these filesystems; without any, on all, as the library under it sees to
    their differences. Where the processor is emulated that is on the next in turn."""

    def register(function):
        for kind in filesystems or ([next(_turns)] if SLOWNESS > 1 else FILESYSTEMS):
            TESTS.append((f"{kind}/{function.__name__}", kind, function))
        return function

    return register
