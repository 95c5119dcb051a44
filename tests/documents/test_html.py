#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML reference: all of the header is in it, it runs no script and names no path; and what
doxygen warns of is an error. usage: tests/documents/test_html.py BUILD"""
import html
import os
import re
import shutil
import sys
import tempfile

import checks
from checks import read, run

sys.path.insert(0, os.path.join(checks.ROOT, "scripts/reference"))
import header  # noqa: E402  pylint: disable=wrong-import-position


def pages(directory):
    return {name: read(directory, name) for name in os.listdir(directory) if name.endswith(".html")}


def check_content(check, directory):
    everything = pages(directory)
    groups = {name: text for name, text in everything.items() if name.startswith("group__")}
    for declaration in header.read().declarations():
        # The heading of a detailed description, which only what has a comment gets.
        mark = rf'<h2 class="memtitle">.*</span>{declaration.name}(\(\))?</h2>'
        found = [name for name, text in groups.items() if re.search(mark, text)]
        check.equal(len(found), 1, f"descriptions of {declaration.name} ({found})")
    words = {name: set(re.findall(r"\w+", html.unescape(re.sub(r"<[^>]*>", " ", text))))
             for name, text in everything.items()}
    shown = set().union(*words.values())
    said = " ".join(" ".join(item.comment) for section in header.read().sections
                    for item in section.items)
    check.empty(sorted(set(re.findall(r"\w+", said)) - shown), "words that are left out")
    introduction = set(re.findall(r"\w+", " ".join(header.read().introduction)))
    check.empty(sorted(introduction - words["index.html"] - {"CONVENTIONS", "follows"}),
                "words that the first page leaves out")
    check.empty([name for name, text in everything.items() if "<script" in text], "scripts")
    check.empty([name for name in os.listdir(directory) if name.endswith(".js")], "script files")
    check.empty([name for name, text in everything.items() if checks.ROOT in text], "paths")
    wanted = {target for text in everything.values()
              for target in re.findall(r'(?:href|src)="(?!https?:)([^"#]+)', text)}
    check.empty([name for name in sorted(wanted)
                 if not os.path.exists(os.path.join(directory, name))], "links to nothing")


def made_of(text):
    """The status of `make html` in a copy of what it needs, with another header."""
    with tempfile.TemporaryDirectory() as work:
        for directory in ("scripts/reference", "docs", "c-api"):
            shutil.copytree(os.path.join(checks.ROOT, directory), os.path.join(work, directory))
        os.makedirs(os.path.join(work, "include/qubes"))
        with open(os.path.join(work, "include/qubes/storage.h"), "w", encoding="ascii") as file:
            file.write(text)
        return run("doxygen", "docs/Doxyfile", cwd=work, env={"BUILD": work, "VERSION": "0"})


def check_warnings(check):
    text = read("include/qubes/storage.h")
    mark = "/* All volumes that have an image"
    check.equal(text.count(mark), 1, "the place to change")
    status, output = made_of(text)
    check.claim(status == 0 and not output, f"the header as it is: {output[:500]}")
    for what, changed in {
            "a function that is not there": mark.replace("All", "See qubes_storage_pool_sheep."),
            "a function without a comment": "int32_t qubes_storage_pool_sheep(void);\n\n" + mark,
    }.items():
        status, output = made_of(text.replace(mark, changed))
        check.claim(status != 0 and "qubes_storage_pool_sheep" in output,
                    f"{what} is no error: {output[:500]}")


def main():
    check = checks.Checks()
    check_content(check, os.path.abspath(os.path.join(sys.argv[1], "html")))
    check_warnings(check)
    check.end(f"tests/documents/test_html.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
