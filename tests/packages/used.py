# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done with the installed packages, be they DEBs or RPMs."""
import os
import subprocess

import builds
from harness import claim, equal

AUTOPKGTESTS = ("c-examples", "command", "python")


def use(root, version):
    """The life of a volume, by the tests that the source package brings."""
    equal(root.run("qubes-storage", "--version").split()[-1], version, "version of the command")
    tests = root.bring(os.path.join(builds.CHECKOUT, "packaging/debian/tests"))
    with open(os.path.join(root.path + tests, "control"), encoding="utf-8") as file:
        listed = [line[7:].strip() for line in file if line.startswith("Tests: ")]
    equal(sorted(listed), sorted(AUTOPKGTESTS), "tests in debian/tests/control")
    for name in AUTOPKGTESTS:
        os.mkdir(os.path.join(root.srv, name))
        root.environment = dict(root.environment, AUTOPKGTEST_TMP=f"/srv/{name}")
        said = root.run(f"{tests}/{name}")
        claim("checked: " in said, f"{name} checked nothing: {said}")


def step(process, wanted):
    equal(process.stdout.readline().strip(), wanted, "the running process says")


def go_on(process):
    process.stdin.write("go on\n")
    process.stdin.flush()


def image(root, name):
    with open(f"{root.srv}/pool/appvms/{name}/private.img", "rb") as file:
        return file.read(16).rstrip(b"\0")


def upgrade(root, do_upgrade):
    """A process with an open pool and sessions lives over the upgrade, and all ends well."""
    old, new = builds.version(), builds.next_version()
    script = root.bring(os.path.join(builds.CHECKOUT, "tests/packages/upgrade_session.py"))
    process = root.popen("python3", script)
    try:
        step(process, f"started {old}")
        do_upgrade()
        equal(root.run("qubes-storage", "--version").split()[-1], new, "version of the command")
        go_on(process)
        step(process, f"stopped {old}")
        equal(image(root, "here"), b"after!", "what the old library has committed")
        root.run("qubes-storage", "stop", "/srv/pool", "appvms/there/private")
        equal(image(root, "there"), b"after!", "what the new command has committed")
        go_on(process)
        step(process, "closed")
        equal(process.wait(60), 0, "status of the running process")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    # A session that the old library began is resumed and committed by the new one, in Python.
    said = root.run("python3", "-c", """
import qubesstorage
with qubesstorage.Pool("/srv/pool") as pool:
    with pool.volume("appvms/late/private", rw=True, save_on_stop=True) as volume:
        assert volume.is_dirty()
        volume.start()
        volume.stop()
        assert not volume.is_dirty()
print(qubesstorage.version())
""")
    equal(said.strip(), new, "version of the Python package's library")
    equal(image(root, "late"), b"new one", "what was begun before and committed after")
    equal(subprocess.run(["find", f"{root.srv}/pool", "-name", "*-dirty*"], check=True,
                         capture_output=True, text=True).stdout, "", "sessions left")
