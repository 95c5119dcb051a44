# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shortest useful program: `python3 session.py DIRECTORY` runs one session of a virtual
machine's disk."""
import sys

from qubesstorage import Pool, StorageError


def run_session(directory: str) -> None:
    with Pool(directory) as pool:
        pool.setup()
        with pool.volume("appvms/work/private", size=1 << 30, rw=True, save_on_stop=True) as volume:
            volume.create()
            volume.start()
            with open(volume.path, "r+b") as disk:  # the virtual machine's part
                disk.write(b"written in the session")
            volume.stop()  # commits it


if __name__ == "__main__":
    try:
        run_session(sys.argv[1] if len(sys.argv) > 1 else "pool")
    except StorageError as error:
        sys.exit(str(error))
