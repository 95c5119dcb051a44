# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each Python that is supported and found on this machine, not only the one that runs the tests."""
import glob
import os
import re
import subprocess
import sys

from harness import test
from place import PATIENCE, claim, equal, run_python

OLDEST = (3, 9)
PLACES = ("/usr/bin", "/usr/local/bin", "/opt/python*/bin", "/opt/*/bin",
          "~/.pyenv/versions/*/bin", "~/.local/bin", "~/.local/share/uv/python/*/bin")
ASK = "import sys, ctypes, asyncio; print(sys.implementation.name, *sys.version_info[:3])"
# What the package does with the language and its library, from the import to the end.
SCENARIO = """
    import asyncio, pickle, sys, warnings
    warnings.simplefilter("error")
    import qubesstorage

    pool = qubesstorage.Pool(sys.argv[1])
    pool.setup()
    volume = pool.volume("appvms/work/private", size=1 << 20, rw=True, save_on_stop=True)
    volume.create()
    volume.start()
    with open(volume.path, "r+b") as file:
        file.write(b"data")
    volume.stop()
    try:
        volume.create()
    except qubesstorage.ExistsError as error:
        print(type(pickle.loads(pickle.dumps(error))).__name__, error.code)
    told = []

    async def main():
        await asyncio.gather(volume.start_async(), pool.info_async())
        try:
            await volume.revert_async()
        except qubesstorage.DirtyError as error:
            print(error.code)
        await volume.discard_async()
        other = pool.volume("appvms/other/private", size=1 << 20, save_on_stop=True)
        await other.import_volume_async(volume, progress=lambda *of: told.append(of))
        task = asyncio.ensure_future(other.start_async())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        print(task.cancelled(), other.revisions, list(volume.revisions))
        try:
            await asyncio.wait_for(other.stop_async(), 60)
        finally:
            other.close()
            volume.close()
            await pool.close_async()

    asyncio.run(main())
    print(bool(told), "end")
"""
SAID = "ExistsError EXISTS\nDIRTY\nTrue {} ['1']\nTrue end\n"


def candidates():
    """This one first; then all that are called like one."""
    yield sys.executable
    directories = os.get_exec_path()
    for place in PLACES:
        directories += sorted(glob.glob(os.path.expanduser(place)))
    for directory in directories:
        for name in sorted(glob.glob(os.path.join(glob.escape(directory), "python3*"))):
            if re.fullmatch(r"python3(\.\d+)?t?", os.path.basename(name)):
                yield name


def versions():
    """One program for each version; those that do not run, or have no ctypes, are none."""
    found = {}
    for program in dict.fromkeys(candidates()):
        try:
            done = subprocess.run([program, "-c", ASK], capture_output=True, text=True,
                                  check=False, timeout=60 * PATIENCE)
        except OSError:
            continue
        if done.returncode == 0:
            kind, *numbers = done.stdout.split()
            found.setdefault((kind, *map(int, numbers)), program)
    return found


@test("xfs")
def each_python_that_is_here(place):
    found = {version: program for version, program in versions().items()
             if version[1:3] >= OLDEST}
    claim(sys.executable in found.values(), f"not even this one: {found}")
    for number, (version, program) in enumerate(sorted(found.items())):
        done = run_python(SCENARIO, os.path.join(place.root, str(number)), python=program)
        equal([done.returncode, done.stdout, done.stderr], [0, SAID, ""],
              f"{program}, {'.'.join(map(str, version[1:]))}")
    print("       " + ", ".join(".".join(map(str, numbers)) if kind == "cpython" else
                                f"{kind} " + ".".join(map(str, numbers))
                                for kind, *numbers in sorted(found)))
