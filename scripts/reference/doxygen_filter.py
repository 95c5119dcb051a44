#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public header as doxygen reads it: each declaration with the comment that is about it, each
section a group. The header itself stays free of marks. usage: doxygen_filter.py HEADER"""
import html
import re
import sys

import header
import man3

REFERENCE = {"_ref": "Adds a reference and returns its argument, which may be NULL.",
             "_unref": "Drops a reference. NULL is allowed."}


def inline(text):
    text = html.escape(text, quote=False).replace("\\", "\\\\").replace("@", "\\@")
    text = re.sub(r"\b(qubes_storage_[a-z0-9_]+|QUBES_STORAGE_[A-Z0-9_]+)\b", r"#\1", text)
    text = re.sub(r"`#?([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<![\w*])\*([A-Za-z ]+)\*(?![\w*])", r"<em>\1</em>", text)
    return re.sub(r"(?<!\S)-(\w)", r"&minus;\1", text)


def comment(paragraphs):
    lines = ["/**"]
    for paragraph in paragraphs:
        lead = re.match(r"(Errors|Durability): (.*)", paragraph)
        lines += [f" * @par {lead.group(1)}", f" * {inline(lead.group(2))}"] if lead else [
            f" * {inline(paragraph)}"]
        lines += [" *"]
    return lines[:-1] + [" */"]


def reference(declaration):
    return next((text for end, text in REFERENCE.items() if declaration.name.endswith(end)), None)


def documented(item):
    lines = []
    is_about_references = all(reference(declaration) for declaration in item.declarations)
    for declaration in item.declarations:
        paragraphs = header.paragraphs(item.comment)
        if reference(declaration) and not (is_about_references and paragraphs):
            paragraphs = [reference(declaration)]
        if declaration.note:
            paragraphs = [declaration.note[0].upper() + declaration.note[1:] + "."]
        lines += comment(paragraphs) if paragraphs else []
        lines += [declaration.text, ""]
    return lines


def main_page(read):
    lines = ["/** @mainpage libqubesstorage"]
    for kind, content in header.introduction(read.introduction):
        if kind == "table":
            lines += [" * @verbatim"] + [f" * {line}" for line in content] + [" * @endverbatim"]
        elif kind == "terms":
            lines += [" * <dl>"]
            lines += [f" * <dt>{term}</dt><dd>{inline(words)}</dd>" for term, words in content]
            lines += [" * </dl>"]
        else:
            lines += [f" * {inline(paragraph)}" for paragraph in content] + [" *"]
    return lines + [" */"]


def main():
    read = header.read(sys.argv[1])
    lines = ["/** @file", " * The whole interface of libqubesstorage. */"] + main_page(read)
    for section in read.sections:
        page, summary = man3.PAGES[section.title]
        group = page + ("_" + section.title.lower() if page == man3.OVERVIEW else "")
        lines += [f"/** @defgroup {group}_group {section.title}"]
        lines += [f" * {summary.capitalize()}."] if summary else []
        for remark in [item for item in section.items if not item.declarations]:
            lines += [" *"] + [f" * {inline(text)}" for text in header.paragraphs(remark.comment)]
        lines += [" * @{ */"]
        lines += [line for item in section.items for line in documented(item)] + ["/** @} */"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
