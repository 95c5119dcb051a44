#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages: each function and each option is in them, once; they render without a warning; and
a change of the header changes them. usage: tests/documents/test_manual.py BUILD"""
import os
import re
import sys
import tempfile

import checks
from checks import read, run

sys.path.insert(0, os.path.join(checks.ROOT, "scripts/reference"))
import header  # noqa: E402  pylint: disable=wrong-import-position
import man3  # noqa: E402  pylint: disable=wrong-import-position

# What mandoc says of every page that names its system, and of pages that are not installed.
HARMLESS = re.compile(r"operating system explicitly specified: .*\(NetBSD\)|referenced manual not "
                      r"found: Xr (\S+) (\d)|outdated mandoc.db")


def page_files(directory):
    """name -> text, of the pages and of the aliases."""
    pages, aliases = {}, {}
    for name in sorted(os.listdir(directory)):
        text = read(directory, name)
        (aliases if text.startswith(".so ") else pages)[name] = text
    return pages, aliases


def section(text, title):
    return text.split(f".Sh {title}\n", 1)[1].split("\n.Sh ", 1)[0]


def check_functions(check, directory):
    """Each function of the symbol map is on one page, with an alias that leads there."""
    pages, aliases = page_files(directory)
    exported = {name for names, _ in header.map_nodes().values() for name in names}
    for function in sorted(exported):
        named = [page for page, text in pages.items() if re.search(
            rf"^\.Nm {function}\b", section(text, "NAME"), re.M)]
        shown = [page for page, text in pages.items() if f"\\fB{function}\\fP(" in
                 section(text, "SYNOPSIS")]
        told = [page for page, text in pages.items() if page != "libqubesstorage.3" and re.search(
            rf"^\.Fn {function}\b", section(text, "DESCRIPTION"), re.M)]
        check.claim(len(named) == 1 and named == shown == told,
                    f"{function} is in the names of {named}, the synopsis of {shown}, the "
                    f"descriptions of {told}")
        check.equal(aliases.get(function + ".3"), f".so man3/{named[0] if named else None}\n",
                    f"alias of {function}")
    check.equal({name[:-2] for name in aliases}, exported, "aliases")
    overview = section(pages["libqubesstorage.3"], "DESCRIPTION")
    check.empty([name for name in sorted(exported) if not name.endswith("_async")
                 and f".Fn {name}" not in overview], "functions that libqubesstorage(3) leaves out")
    constants = [d.name for d in header.read().declarations() if d.kind == "define"]
    everything = "\n".join(pages.values())
    check.empty([name for name in constants if f"Dv {name}" not in everything], "constants left out")


def check_words(check, directory):
    """Nothing that the header says is lost: each word of each comment is on the section's page."""
    pages, _ = page_files(directory)
    for part in header.read().sections:
        name = man3.PAGES[part.title][0]
        _, shown = run("mandoc", "-Tascii", "-Owidth=500", os.path.join(directory, name + ".3"))
        shown = re.sub(r".\x08", "", shown)
        present = set(re.findall(r"\w+", shown))
        for item in part.items:
            said = re.findall(r"\w+", " ".join(item.comment))
            check.empty([word for word in said if word not in present],
                        f"{name}(3) leaves out words of the comment of {item.functions()}")
    check.equal(len(pages), len(set(page for page, _ in man3.PAGES.values())), "number of pages")


def check_rendering(check, directory):
    pages, _ = page_files(directory)
    ours = {name.rsplit(".", 1)[0] for name in pages} | {"libqubesstorage", "qubes-storage"}
    for name in pages:
        path = os.path.join(directory, name)
        _, output = run("mandoc", "-Tlint", path)
        lines = []
        for line in output.splitlines():
            found = HARMLESS.search(line)
            if not found or (found.group(1) and found.group(1) not in ours):
                lines.append(line)
        check.empty(lines, f"mandoc -Tlint of {name}")
        status, output = run("sh", "-c", "man --warnings -E UTF-8 -l -Tutf8 -Z \"$0\" >/dev/null",
                             path, env={"MANROFFSEQ": "", "MANWIDTH": "80"})
        check.claim(status == 0 and not output, f"man --warnings of {name}: {output}")
        status, output = run("lexgrog", path)
        names = re.findall(r"^\.Nm (\S+)", section(pages[name], "NAME"), re.M)
        check.claim(status == 0 and all(f"\"{one} - " in output for one in names),
                    f"whatis of {name}")


def check_command(check, build, directory):
    """By the source of the command, not by its help, from which the page is made."""
    status, shown = run("mandoc", "-Tascii", os.path.join(directory, "qubes-storage.1"))
    shown = re.sub(r".\x08", "", shown)
    check.equal(status, 0, "mandoc of qubes-storage.1")
    table = read("tools/main.cc").split("kCommands[] = {")[1].split("};")[0]
    verbs = re.findall(r'\{"([a-z-]+)"', table)
    check.claim(len(verbs) > 15, f"the table of commands was not found: {verbs}")
    commands = shown.split("\nCOMMANDS\n")[1].split("\nOUTPUT\n")[0]
    check.empty([verb for verb in verbs if not re.search(rf"^ +{verb} POOL", commands, re.M)],
                "commands left out")
    options = set(re.findall(r'"(--[a-z-]+)"', read("tools/options.cc"))) - {"--help"}
    check.claim(len(options) > 15, f"the options were not found: {options}")
    check.empty([option for option in sorted(options)
                 if not re.search(rf"^ +(\S+ )*{option}\b", shown, re.M)], "options left out")
    text = read("tools/options.cc")
    meanings = re.findall(r'^ *(?:add\("[^"]*", [^"]*|"?)"([A-Za-z][^"]{12,})"', text, re.M)
    flat = re.sub(r"\s+", " ", shown.replace("-\n", "-")).lower()
    check.empty([words for words in meanings if " " in words and words.lower() not in flat],
                "meanings left out")
    check.empty(re.findall(r"@[A-Z]+@", read(directory, "qubes-storage.1")), "marks left")
    check.claim(os.path.exists(os.path.join(build, "qubes-storage")), "the command was built")


def made_of(text):
    """The page of the pools, made of another header; or what was wrong with it."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "storage.h")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        script = (f"import sys; sys.path.insert(0, {os.path.dirname(header.__file__)!r}); "
                  f"import header, man3; header.read.__defaults__ = ({path!r},); "
                  f"sys.argv = ['man3', {work + '/man3'!r}]; man3.main()")
        status, output = run(sys.executable, "-c", script)
        return (status, output) if status else (0, read(work, "man3/qubes_storage_pool.3"))


def check_changes(check):
    """What is changed in the header changes the page, and what has no place is an error."""
    text = read("include/qubes/storage.h")
    before = made_of(text)[1]
    mark = "/* All volumes that have an image"
    check.equal(text.count(mark), 1, "the place to change")
    added = "/* Counts sheep. */\nint32_t qubes_storage_pool_sheep(qubes_storage_pool *pool);\n\n"
    status, after = made_of(text.replace(mark, added + mark))
    check.claim(status == 0 and "qubes_storage_pool_sheep" in after and "Counts sheep." in after
                and after != before, f"an added function: {after[:300]}")
    status, after = made_of(text.replace(mark, "/* Every volume that has an image"))
    check.claim(status == 0 and "Every volume that has an image" in after, "a changed comment")
    for what, changed in {
            "a function without a comment": added.replace("/* Counts sheep. */\n", ""),
            "an unknown section": "/* ---- Sheep ------------------------ */\n\n" + added,
            "something that is no declaration": "int32_t sheep;\n\n"}.items():
        status, output = made_of(text.replace(mark, changed + mark))
        check.claim(status != 0 and "FormError" in output, f"{what} is not refused: {output[:300]}")


def main():
    build = os.path.abspath(sys.argv[1])
    check = checks.Checks()
    pages3, pages1 = os.path.join(build, "man/man3"), os.path.join(build, "man/man1")
    check_functions(check, pages3)
    check_words(check, pages3)
    check_rendering(check, pages3)
    check_rendering(check, pages1)
    check_command(check, build, pages1)
    check_changes(check)
    check.end(f"tests/documents/test_manual.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
