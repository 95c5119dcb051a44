# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all parts of the rig share: its one error, its cache, and children that die with it."""
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile

RIG_FAILED, TIMED_OUT = 125, 124
HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class RigError(Exception):
    """The rig itself failed, or what it stands on."""


def cache_directory(*parts):
    """A directory in the cache, made if it is not there."""
    base = os.environ.get("QUBES_STORAGE_TESTVM_CACHE")
    if not base:
        user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(user, "qubesstorage-testvm")
    path = os.path.join(os.path.abspath(base), *parts)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise RigError(f"cannot make the cache '{path}': {error.strerror}; "
                       "set QUBES_STORAGE_TESTVM_CACHE to a directory of yours") from error
    return path


def fill_cache(path, fill):
    """Returns `path`, which `fill(temporary path)` makes if it is not there yet. The rename lets
    two processes do so at once: the second finds the work done, and throws its own away."""
    if os.path.exists(path):
        return path
    with tempfile.TemporaryDirectory(prefix=".new-", dir=os.path.dirname(path)) as work:
        new = os.path.join(work, "new")
        fill(new)
        try:
            os.rename(new, path)
        except OSError:
            if not os.path.exists(path):
                raise
    return path


def die_with_parent(number=signal.SIGKILL):
    """For preexec_fn: a signal when the parent goes, however it goes; and no core file."""
    parent = os.getppid()
    LIBC.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def which(name):
    """The path of a command of the host; administrators' ones may not be on a user's PATH."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=path)


def find_program(name, package_hint):
    found = which(name)
    if not found:
        raise RigError(f"no command {name}: install {package_hint}")
    return found


def run_checked(command, **options):
    """Its standard output. What a failed command said is in the error."""
    options.setdefault("timeout", 600)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, preexec_fn=die_with_parent, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RigError(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        name = os.path.basename(command[0])
        raise RigError(f"{name} failed ({done.returncode}): {said[-2000:]}")
    return done.stdout


def run_mkfs(command):
    """mkfs.btrfs wants to know of each Btrfs that root has mounted from a file whether it is this,
    and fails where it may not look. Then it is shown an empty list of mounts."""
    try:
        run_checked(command)
        return
    except RigError as error:
        if "mount status" not in str(error):
            raise
    with tempfile.TemporaryDirectory() as proc:
        os.mkdir(os.path.join(proc, "self"))
        with open(os.path.join(proc, "self", "mounts"), "wb"):
            pass
        run_checked(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                     'mount --bind "$0" /proc && exec "$@"', proc, *command])


class Log:
    """Progress for those who asked for it."""

    def __init__(self, verbose):
        self.verbose = verbose

    def __call__(self, text):
        if self.verbose:
            os.write(2, f"testvm: {text}\n".encode())
