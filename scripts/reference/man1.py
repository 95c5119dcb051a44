#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes qubes-storage(1): the frame docs/manual/qubes-storage.1.in, filled with what the command
says of itself. usage: man1.py COMMAND DIRECTORY"""
import os
import re
import subprocess
import sys

import header
import mdoc

FRAME = os.path.join(header.ROOT, "docs/manual/qubes-storage.1.in")
KIND = "Kind of volume"


def sections(program, *words):
    """What --help prints: title -> [(left column, right column)], and "" -> the first lines."""
    text = subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": os.environ["PATH"]}).stdout
    found, title = {"": []}, ""
    for line in text.split("\n"):
        columns = re.match(r"  (\S.*?)(?:  +|$)(.*)", line)
        if re.match(r"\S.*:$", line):
            title = line[:-1]
            found[title] = []
        elif columns and title:
            found[title].append(columns.groups())
        elif line.strip() and title:
            raise ValueError(f"cannot read this line of the help: {line}")
        elif line.strip():
            found[""].append(line)
    return found


def sentence(text):
    return mdoc.inline(text[0].upper() + text[1:] + ".")


def flag(left):
    """`--json` or `--size N REQUIRED`, as macros."""
    words = left.removesuffix(" REQUIRED").split()
    return f"Fl {mdoc.escape(words[0][1:])}" + (f" Ar {words[1]}" if len(words) > 1 else "")


def options(pairs):
    return [line for left, right in pairs if not left.startswith("-h,")
            for line in [f".It {flag(left)}"] + sentence(right)]


def positionals(usage):
    """`Usage: qubes-storage info [OPTIONS] POOL [VID]`"""
    words = usage.split("[OPTIONS]", 1)[1].split()
    return " ".join(f"Op Ar {word[1:-1]}" if word.startswith("[") else
                    re.sub(r"^(\w+)\.\.\.$", r"Ar \1 ...", word) if word.endswith("...") else
                    f"Ar {word}" for word in words)


def command(program, name):
    """The entry of a command, and its options about the kind of volume."""
    read = sections(program, name)
    usage = next(line for line in read[""] if line.startswith("Usage: "))
    own = [(flag(left), right, left.endswith(" REQUIRED"))
           for left, right in read.get("Options", []) if not left.startswith("-h,")]
    tag = f".It Cm {mdoc.escape(name)} {positionals(usage)}"
    lines = [" ".join([tag] + [words for words, _, is_needed in own if is_needed])]
    lines += sentence(read[""][0])
    for words, right, _ in own:
        lines += [".Pp", f".{words} :"] + mdoc.inline(right + ".")
    return lines, read.get(KIND)


def main():
    program, directory = sys.argv[1:]
    top = sections(program)
    commands, kinds = [], []
    for name, _ in top["Subcommands"]:
        lines, kind = command(program, name)
        commands += lines
        kinds += [kind] if kind else []
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"the commands differ in the options under \"{KIND}\"")
    with open(FRAME, encoding="ascii") as file:
        frame = file.read().rstrip("\n")
    for mark, lines in (("@OPTIONS@", options(top["Options"])), ("@COMMANDS@", commands),
                        ("@KIND@", options(kinds[0]))):
        frame = frame.replace(mark, "\n".join(lines))
    mdoc.write(directory, "qubes-storage.1", mdoc.head("qubes-storage", 1) + frame.split("\n"))


if __name__ == "__main__":
    main()
