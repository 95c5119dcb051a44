# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots to install into: one made by debootstrap and kept, and layers over it, one for each test."""
import os
import re
import shutil
import subprocess
import sys

from harness import Failure

# The compiler and pkg-config are the tests' own. The others are what our packages need: the test of
# their `Depends` says that, and apt, which downloads nothing here, that it is enough.
INCLUDED = ["gcc", "libc6-dev", "pkg-config", "libblkid1", "libmount1", "libstdc++6", "python3"]

# What packages do not own: the records of dpkg and rpm, caches, logs, and what is mounted there.
NOT_LISTED = ("/proc", "/sys", "/dev", "/srv", "/tmp", "/var/tmp", "/var/cache", "/var/log",
              "/var/lib/apt", "/var/lib/dpkg", "/var/lib/rpm", "/etc/ld.so.cache")


def output_of(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace", check=False,
                          **options)
    if done.returncode != 0:
        raise Failure(f"it failed: {' '.join(map(str, command))}\n{done.stdout[-4000:]}")
    return done.stdout


def release():
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r'^VERSION_CODENAME="?([^"\n]*)', file.read(), re.M)
    if not found:
        raise Failure("no VERSION_CODENAME in /etc/os-release: this test runs on Debian")
    return found.group(1)


def mirror(codename):
    """Where apt of this machine takes that release from."""
    found = output_of(["apt-get", "indextargets", "--format",
                       "$(CREATED_BY) $(CODENAME) $(COMPONENT) $(REPO_URI)"])
    for line in found.splitlines():
        if line.startswith(f"Packages {codename} main "):
            return line.split(" ", 3)[3]
    raise Failure(f"apt is not configured for {codename} main:\n{found}")


def proxies():
    """debootstrap loads by wget, which knows nothing of apt's configuration."""
    environment = dict(os.environ)
    for scheme in ("http", "https"):
        found = output_of(["apt-config", "shell", "value", f"Acquire::{scheme}::Proxy"])
        value = re.match(r"value='(.*)'$", found.strip())
        if value and value.group(1) not in ("", "DIRECT"):
            environment[f"{scheme}_proxy"] = value.group(1)
    return environment


def make_base(directory):
    """The root that all others lie over. It is kept: the next run has it at once."""
    codename = release()
    base = os.path.join(directory, f"root-{codename}")
    made = base + ".made"
    wanted = " ".join(INCLUDED)
    if os.path.exists(made) and open(made, encoding="utf-8").read() == wanted:
        return base
    shutil.rmtree(base, ignore_errors=True)
    output_of(["debootstrap", "--variant=minbase", "--include=" + ",".join(INCLUDED),
               codename, base, mirror(codename)], env=proxies())
    with open(made, "w", encoding="utf-8") as file:
        file.write(wanted)
    return base


class Root:
    """A layer over the base, with `srv` on the filesystem of `directory`, which can reflink. All of
    it is in the namespace of this process, and in `directory`."""

    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
                   "DEBIAN_FRONTEND": "noninteractive", "AUTOPKGTEST_TMP": "/srv"}

    def __init__(self, base, directory):
        self.path = os.path.join(directory, "root")
        layers = {name: os.path.join(directory, name) for name in ("upper", "work")}
        self.srv = os.path.join(directory, "srv")
        for made in (self.path, self.srv, *layers.values()):
            os.mkdir(made)
        self._mount("-t", "overlay", "-o",
                    f"lowerdir={base},upperdir={layers['upper']},workdir={layers['work']}",
                    "overlay", to="")
        self._mount("-t", "proc", "proc", to="proc")
        self._mount("--rbind", "/sys", to="sys")
        self._mount("--rbind", "/dev", to="dev")
        self._mount("--bind", self.srv, to="srv")

    def _mount(self, *arguments, to):
        output_of(["mount", *arguments, os.path.join(self.path, to)])

    def close(self):
        subprocess.run(["umount", "--recursive", "--lazy", self.path], check=False)

    def command(self, *arguments):
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        return ["chroot", self.path, "/usr/bin/env", "-i", *settings, *arguments]

    def run(self, *arguments):
        return output_of(self.command(*arguments))

    def popen(self, *arguments):
        return subprocess.Popen(self.command(*arguments), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def bring(self, path, place="/var/tmp"):
        """Copies a file or a directory into the root. Its path there."""
        inside = os.path.join(place, os.path.basename(path))
        target = self.path + inside
        if os.path.isdir(path):
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy2(path, target)
        return inside

    def listing(self):
        """What lies in the root, and of what kind."""
        found = set()
        for directory, names, files in os.walk(self.path):
            inside = "/" + os.path.relpath(directory, self.path)
            names[:] = [name for name in names if os.path.normpath(f"{inside}/{name}")
                        not in NOT_LISTED]
            for name in names + files:
                path = os.path.normpath(f"{inside}/{name}")
                if path not in NOT_LISTED:
                    kind = os.lstat(self.path + path).st_mode >> 12
                    found.add((path, kind))
        return found


def say(text):
    print(text, file=sys.stderr, flush=True)
