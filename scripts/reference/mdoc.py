# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text as mdoc(7): what has a meaning there is escaped, each sentence begins a line."""
import datetime
import os
import re
import textwrap

import header

WIDTH = 76
CODES = "|".join(("NOT_FOUND", "EXISTS", "BUSY", "DIRTY", "READ_ONLY", "NOT_SUPPORTED", "NO_SPACE",
                  "CORRUPT", "OFFLINE", "CANCELLED", "TIMEOUT", "NO_MEMORY", "INTERNAL",
                  "UNKNOWN_OUTCOME", "INVALID", "UNKNOWN", "IO", "QUBES_STORAGE_[A-Z_]+"))


def escape(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("\"", "\\(dq")


def _word(word):
    """A word of running text; in a word of letters a hyphen stays one, so that it may break."""
    plain = word.replace("\\", "\\e").replace("\"", "\\(dq")
    if re.search(r"(^|[^A-Za-z])-|-($|[^A-Za-z])", plain):
        plain = plain.replace("-", "\\-")
    return plain


def inline(text):
    """One paragraph as lines: `code` and *terms* in italics, names of the API in bold."""
    literals = []

    def literal(found):
        literals.append("\\fI" + escape(found.group(1)).replace(" ", "\x03") + "\\fP")
        return f"\x01{len(literals) - 1}\x02"

    text = re.sub(r"`([^`]+)`", literal, text)
    text = re.sub(r"(?<![\w*])\*([A-Za-z ]+)\*(?![\w*])", literal, text)
    words = " ".join(_word(word) for word in text.split())
    words = re.sub(rf"(?<![\w.])({CODES})(?!\w)", r"\\%\\fB\1\\fP", words)
    words = re.sub(r"\b(qubes_storage_[a-z0-9_]+)\b(?!\()", r"\\%\\fB\1\\fP", words)
    words = re.sub(r"\b([a-z]+)\(([2378]?)\)", r"\\fB\1\\fP(\2)", words)
    words = re.sub(r"\x01(\d+)\x02", lambda found: literals[int(found.group(1))], words)
    lines = []
    for sentence in re.split(r"(?<=[.?!])(?<!\.\.\.) (?=[^a-z])", words):
        lines += textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
    lines = [line.replace("\x03", "\\ ") for line in lines]
    return ["\\&" + line if line[0] in ".'" else line for line in lines]


def text(paragraphs):
    lines = []
    for number, paragraph in enumerate(paragraphs):
        lead = re.match(r"(Errors|Durability): (.*)", paragraph)
        lines += [".Pp"] if number else []
        lines += [f".Em {lead.group(1)} :"] if lead else []
        lines += inline(lead.group(2) if lead else paragraph)
    return lines


def literal(lines):
    return [".Bd -literal -offset indent"] + [escape(line) for line in lines] + [".Ed"]


def version():
    with open(os.path.join(header.ROOT, "version"), encoding="ascii") as file:
        return file.read().strip()


def date():
    """Of the newest release in CHANGELOG.md, so that two builds make the same pages."""
    with open(os.path.join(header.ROOT, "CHANGELOG.md"), encoding="utf-8") as file:
        found = re.search(r"^## \S+, (\d{4}-\d{2}-\d{2})$", file.read(), re.M)
    day = datetime.date.fromisoformat(found.group(1))
    return f"{day:%B} {day.day}, {day.year}"


def head(title, section):
    return [".\\\" SPDX-License-Identifier: LGPL-2.1-or-later",
            f".\\\" Made by scripts/reference/man{section}.py: change what it is made from.",
            f".Dd {date()}", f".Dt {title.upper()} {section}", f".Os libqubesstorage {version()}"]


def see_also(pages):
    """`pages` are (name, section)."""
    ordered = sorted(pages, key=lambda page: (page[1], page[0]))
    return [".Sh SEE ALSO"] + [f".Xr {name} {section}" + (" ," if (name, section) != ordered[-1]
                                                          else "") for name, section in ordered]


def write(directory, name, lines):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
