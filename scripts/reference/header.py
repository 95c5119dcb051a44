# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads include/qubes/storage.h as the manual that it is: sections, comments, declarations.

The form of the header that is relied on (each breach is an error, so that nothing is left out):
a section begins with a line `/* ---- Title ---- */`; a comment belongs to the declarations below it,
up to an empty line or the next comment; a comment above an empty line is text of its own; a
`#define` may have a comment behind it.
"""
import dataclasses
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, "include/qubes/storage.h")
MAP = os.path.join(ROOT, "c-api/libqubesstorage.map")


class FormError(Exception):
    """The header is not of the form that is relied on."""


@dataclasses.dataclass
class Declaration:
    kind: str  # function, callback, handle or define
    name: str
    text: str  # as it stands in the header, on one line
    note: str = ""  # the comment behind a #define


@dataclasses.dataclass
class Item:
    comment: list  # lines, without the marks of a comment; empty where there is none
    declarations: list
    begins_block: bool  # an empty line is before it

    def functions(self):
        return [d.name for d in self.declarations if d.kind == "function"]


@dataclasses.dataclass
class Section:
    title: str
    items: list


@dataclasses.dataclass
class Header:
    introduction: list  # the lines of the first long comment
    sections: list

    def declarations(self):
        return [d for s in self.sections for i in s.items for d in i.declarations]

    def functions(self):
        return [d.name for d in self.declarations() if d.kind == "function"]

    def since(self):
        """The release of each function: its comment's `Since X.Y.Z`, else the conventions'."""
        text = " ".join(self.introduction)
        found = re.search(r"Everything here is there since (\d+\.\d+\.\d+)", text)
        if not found:
            raise FormError("the conventions do not say since when everything is there")
        releases = {}
        for section in self.sections:
            for item in section.items:
                own = re.search(r"\bSince (\d+\.\d+\.\d+)", " ".join(item.comment))
                for name in item.functions():
                    releases[name] = (own or found).group(1)
        return releases


def _comment_lines(text):
    lines = text.strip()[2:-2].strip("\n").split("\n")
    return [re.sub(r"^ ?\*? ?", "", line.strip()) for line in lines] if len(lines) > 1 else \
        [lines[0].strip()]


def _declaration(text):
    text = re.sub(r"\s+", " ", text).strip()
    for kind, pattern in (("handle", r"typedef struct (\w+) \1;$"),
                          ("callback", r"typedef .*\(\*(\w+)\)\(.*\);$"),
                          ("function", r"[^()]*?\b(qubes_storage_\w+)\(.*\);$")):
        found = re.match(pattern, text)
        if found:
            return Declaration(kind, found.group(1), text)
    raise FormError(f"not a declaration that is known: {text}")


def _define(text):
    found = re.match(r"#define (QUBES_STORAGE_\w+) (.*?)\s*(?:/\*(.*?)\*/)?$", text)
    if not found:
        raise FormError(f"not a constant that is known: {text}")
    name, value, note = found.groups()
    return Declaration("define", name, f"#define {name} {value}", (note or "").strip())


class _Reader:
    """Goes through the lines between the opening and the closing of extern "C"."""

    def __init__(self, lines):
        self.lines = lines
        self.at = 0
        self.sections = []
        self.after_empty_line = True

    def take_to(self, mark):
        """The lines from here to the one that ends with `mark`."""
        begin = self.at
        while not self.lines[self.at].rstrip().endswith(mark):
            self.at += 1
        self.at += 1
        return "\n".join(self.lines[begin:self.at])

    def add(self, item):
        if not self.sections:
            raise FormError("a declaration before the first section")
        self.sections[-1].items.append(item)
        self.after_empty_line = False

    def add_declaration(self, declaration):
        if self.after_empty_line:
            self.add(Item([], [], True))
        self.sections[-1].items[-1].declarations.append(declaration)

    def read(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            heading = re.match(r"/\* ---- (.+?) -+ \*/$", line)
            if heading:
                self.sections.append(Section(heading.group(1), []))
                self.at += 1
            elif not line.strip():
                self.after_empty_line = True
                self.at += 1
            elif line.startswith("/*"):
                begins_block = self.after_empty_line
                self.add(Item(_comment_lines(self.take_to("*/")), [], begins_block))
            elif line.startswith("#"):
                self.at += 1
                self.add_declaration(_define(line))
            else:
                self.add_declaration(_declaration(self.take_to(";")))
        return self.sections


def read(path=PATH):
    with open(path, encoding="ascii") as file:
        text = file.read()
    comments = re.findall(r"/\*.*?\*/", text, re.S)
    inner = re.search(r'extern "C" \{\n#endif\n(.*)\n#ifdef __cplusplus\n\}', text, re.S)
    if not inner or len(comments) < 2:
        raise FormError("no extern \"C\", or no introduction")
    return Header(_comment_lines(comments[1]), _Reader(inner.group(1).split("\n")).read())


def map_nodes(path=MAP):
    """The symbol map: node -> (names, the node before it or None), in the order of the file."""
    with open(path, encoding="ascii") as file:
        text = re.sub(r"#.*", "", file.read())
    nodes = {}
    for name, body, before in re.findall(r"([\w.]+)\s*\{(.*?)\}\s*([\w.]*)\s*;", text, re.S):
        exported = body.split("local:")[0].replace("global:", "")
        nodes[name] = ([word.strip() for word in exported.split(";") if word.strip()],
                       before or None)
    return nodes


def paragraphs(lines):
    """A comment's text as paragraphs; `Errors:` and `Durability:` begin one of their own."""
    result = []
    for block in "\n".join(lines).split("\n\n"):
        text = re.sub(r"\s*\n\s*", " ", block.strip())
        parts = re.split(r"(?:^|(?<=\. ))(?=(?:Errors|Durability): )", text)
        result += [part.strip() for part in parts if part.strip()]
    return result


def introduction(lines):
    """The first comment in pieces: ("text", [str]), ("table", [str]), ("terms", [(term, str)])."""
    head, conventions = "\n".join(lines).split("CONVENTIONS, for all that follows\n", 1)
    pieces = []
    for block in head.strip("\n").split("\n\n"):
        if block.startswith("  "):
            pieces.append(("table", [line[2:] for line in block.split("\n")]))
        else:
            pieces.append(("text", [re.sub(r"\s*\n\s*", " ", block.strip())]))
    terms = []
    for line in conventions.strip("\n").split("\n"):
        term = re.match(r"([A-Z]\w+)\. +(.*)", line)
        if term:
            terms.append([term.group(1), term.group(2)])
        elif line.strip():
            terms[-1][1] += " " + line.strip()
    pieces.append(("terms", [tuple(term) for term in terms]))
    return pieces
