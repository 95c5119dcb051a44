# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README says works when it is pasted."""
import os
import re

import programs
from harness import test
from place import CHECKOUT, claim, equal, run_python

README = os.path.join(CHECKOUT, "bindings", "python", "README.md")


@test()
def the_lines_that_the_readme_begins_with(place):
    first = programs.first_block(README, "python")
    claim(len(first.splitlines()) <= 10, "more than ten lines")
    done = run_python(first, cwd=place.root)
    equal([done.returncode, done.stderr], [0, ""], "its end")
    equal(done.stdout, f"{2 << 30} {{}}\n", "what it prints")
    equal(sorted(os.listdir(os.path.join(place.root, "pool/appvms/work"))),
          ["private-precache.img", "private.img"], "what it made")
    done = run_python(first, cwd=place.root)
    claim(done.returncode == 1 and "ExistsError: cannot" in done.stderr, f"again: {done.stderr}")


@test("xfs")
def all_lines_of_the_readme(place):
    """One after the other, as they are read."""
    with open(README, encoding="utf-8") as file:
        blocks = re.findall(r"(?s)```python\n(.*?)```\n", file.read())
    claim(len(blocks) > 1, f"only {len(blocks)}")
    done = run_python("\n".join([*blocks, "print(pool.volumes())"]), cwd=place.root)
    equal([done.returncode, done.stderr], [0, ""], "its end")
    equal(done.stdout.splitlines()[-1], "['appvms/work/private']", "what is left")
