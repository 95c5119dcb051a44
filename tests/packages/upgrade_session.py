# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a root, over the upgrade of its packages: a program with an open pool and running sessions.

It says what it has done, and waits for a line before it goes on."""
import os
import sys

import qubesstorage


def write(volume, text):
    with open(volume.path, "r+b") as disk:
        disk.write(text)
        os.fsync(disk.fileno())


def mapped():
    with open("/proc/self/maps", encoding="utf-8") as file:
        return {line.split(maxsplit=5)[5].strip() for line in file if "libqubesstorage" in line}


def wait(said):
    print(said, flush=True)
    if sys.stdin.readline() != "go on\n":
        sys.exit("it was not told to go on")


def main():
    with qubesstorage.Pool("/srv/pool") as pool:
        pool.setup()
        volumes = [pool.volume(f"appvms/{name}/private", size=64 << 20, rw=True, save_on_stop=True)
                   for name in ("here", "there", "late")]
        here, there, late = volumes
        for volume in (here, there):
            volume.create()
            volume.start()
            write(volume, b"before")
        wait(f"started {qubesstorage.version()}")

        # The package was upgraded. This process has the old library, on which nothing lies any more.
        assert len(mapped()) == 1 and mapped().pop().endswith(" (deleted)"), mapped()
        assert here.is_dirty() and there.is_dirty()
        write(here, b"after!")
        write(there, b"after!")
        late.create()
        late.start()
        write(late, b"new one")
        here.resize(96 << 20)
        here.stop()
        assert not here.is_dirty()
        wait(f"stopped {qubesstorage.version()}")

        # The command, which has the new library, has ended the session of `there`.
        assert not there.is_dirty()
        assert there.list_revisions()
        for volume in volumes:
            volume.close()
    print("closed", flush=True)


main()
