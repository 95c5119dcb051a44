#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes libqubesstorage(3) and a page for each section of the public header, with an alias for
each function. usage: man3.py DIRECTORY"""
import os
import re
import sys
import textwrap

import header
import mdoc

OVERVIEW = "libqubesstorage"
# The sections of the header: which page has it, and what that page is about.
PAGES = {
    "Codes": (OVERVIEW, ""),
    "Handles": (OVERVIEW, ""),
    "The library, errors": ("qubes_storage_error", "version, codes and errors"),
    "Pools: configuration": ("qubes_storage_pool_config", "how a pool is opened"),
    "Pools": ("qubes_storage_pool", "open, set up, recover and list pools"),
    "Pools: information": ("qubes_storage_pool_info", "what is known of a pool"),
    "Volumes: configuration": ("qubes_storage_volume_config", "what kind a volume is of"),
    "Volumes: life": ("qubes_storage_volume", "create, start, stop, revert, resize volumes"),
    "Volumes: import and export": ("qubes_storage_image", "import and export of images"),
    "Volumes: properties": ("qubes_storage_properties", "properties and revisions of a volume"),
    "Volumes: information": ("qubes_storage_volume_info", "what is known of a volume"),
    "Jobs": ("qubes_storage_job", "operations on a thread of the library"),
    "Building blocks for other drivers": ("qubes_storage_file", "clone and resize single files"),
}
SUMMARY = "virtual machine disks as image files on a reflink filesystem"
REFERENCES = ("`_ref` adds a reference and returns its argument, `_unref` drops one. "
              "See Ownership in libqubesstorage(3).")


def arguments(declaration):
    inner = re.search(r"\w+\)?\((.*)\);$", declaration.text).group(1)
    return [] if inner == "void" else inner.split(", ")


def folded(begin, inner):
    """A call's arguments behind its name, or below it where the line would be too long."""
    words = [f"{argument}," for argument in inner[:-1]] + [f"{inner[-1] if inner else 'void'});"]
    if len(begin + " ".join(words)) < mdoc.WIDTH - 8:
        return [begin + " ".join(words)]
    return [begin] + textwrap.wrap(" ".join(word.replace(" ", "\x03") for word in words), 60,
                                   initial_indent="    ", subsequent_indent="    ")


def synopsis(declaration):
    if declaration.kind in ("define", "handle"):
        lines = [declaration.text]
    else:
        lines = folded(declaration.text[:declaration.text.rindex("(") + 1], arguments(declaration))
    bold = mdoc.escape(declaration.name)
    return [mdoc.escape(line.replace("\x03", " ")).replace(bold, f"\\fB{bold}\\fP", 1)
            if number == 0 else mdoc.escape(line.replace("\x03", " "))
            for number, line in enumerate(lines)]


def tags(declarations):
    macros = {"function": "Fn", "define": "Dv", "callback": "Vt", "handle": "Vt"}
    lines = [f".{macros[d.kind]} {d.name} ," for d in declarations]
    lines[-1] = lines[-1][:-2]
    return [".It Xo"] + lines + [".Xc"]


def is_reference(declaration):
    return declaration.name.endswith(("_ref", "_unref"))


def description(item):
    """One entry of the list. Constants with a comment of their own get one each; `_ref` and `_unref`
    get another, as the comment of what they stand with is not about them."""
    if not item.comment and any(d.kind == "define" for d in item.declarations):
        return [line for d in item.declarations
                for line in [f".It Dv {d.name}"] + mdoc.inline(d.note)]
    references = [d for d in item.declarations if is_reference(d)]
    others = [d for d in item.declarations if not is_reference(d)]
    if not item.comment and others:
        raise header.FormError(f"without a comment: {[d.name for d in others]}")
    if not item.comment:
        return tags(references) + mdoc.inline(REFERENCES)
    body = mdoc.text(header.paragraphs(item.comment))
    for noted in [d for d in item.declarations if d.note]:
        body += [".Pp", f".Dv {noted.name} :"] + mdoc.inline(noted.note)
    if not others or not references:
        return tags(item.declarations) + body
    return tags(others) + body + tags(references) + mdoc.inline(REFERENCES)


def descriptions(sections):
    lines, in_list = [], False
    for item in [item for section in sections for item in section.items]:
        if item.declarations and not in_list:
            lines += [".Bl -tag -width Ds"]
        elif not item.declarations and in_list:
            lines += [".El"]
        if not item.declarations:
            lines += [".Pp"] + mdoc.text(header.paragraphs(item.comment))
        else:
            lines += description(item)
        in_list = bool(item.declarations)
    lines = lines + [".El"] if in_list else lines
    return lines[1:] if lines and lines[0] == ".Pp" else lines


def overview(read):
    lines = []
    for kind, content in header.introduction(read.introduction):
        if kind == "table":
            lines += mdoc.literal(content)
        elif kind == "text":
            lines += ([".Pp"] if lines else []) + mdoc.text(
                [re.sub("^libqubesstorage: v", "V", paragraph) for paragraph in content])
        else:
            lines += [".Ss Conventions", ".Bl -tag -width Durability"]
            for term, words in content:
                lines += [f".It Sy {term}"] + mdoc.inline(words)
            lines += [".El"]
    return lines


def groups():
    """The pages but for the overview, as they come in the header."""
    return list(dict.fromkeys(name for name, _ in PAGES.values() if name != OVERVIEW))


def table_of_pages(read):
    lines = [".Ss Functions", ".Bl -tag -width Ds"]
    for section in read.sections:
        page, summary = PAGES[section.title]
        if page != OVERVIEW:
            lines += [f".It Xr {page} 3"] + mdoc.inline(summary + ":")
            names = [f".Fn {name} ," for item in section.items for name in item.functions()
                     if not name.endswith("_async")]
            lines += names[:-1] + [names[-1][:-2]]
    return lines + [".El"]


def page(name, sections, read):
    is_overview = name == OVERVIEW
    summary = SUMMARY if is_overview else PAGES[sections[0].title][1]
    declarations = [d for s in sections for i in s.items for d in i.declarations]
    names = [name] + [d.name for d in declarations if d.kind in ("function", "callback")]
    lines = mdoc.head(name, 3) + [".Sh NAME"]
    lines += [f".Nm {one}" + (" ," if one != names[-1] else "") for one in names]
    lines += [f".Nd {summary}", ".Sh LIBRARY", "libqubesstorage (libqubesstorage, \\-lqubesstorage)",
              ".Sh SYNOPSIS", ".In qubes/storage.h"]
    lines += [".Bd -literal"] + [line for d in declarations for line in synopsis(d)] + [".Ed"]
    lines += [".Sh DESCRIPTION"] + (overview(read) if is_overview else [])
    lines += [".Ss Constants, handles, callbacks"] if is_overview else []
    lines += descriptions(sections)
    lines += table_of_pages(read) if is_overview else [
        ".Sh RETURN VALUES"] + mdoc.inline(
            "What the results, the codes and the last argument mean, who owns what, and what a twin "
            "`..._async` does, is the same for all functions: see libqubesstorage(3). "
            + since(declarations, read))
    others = [(other, 3) for other in [OVERVIEW] + groups() if other != name]
    return lines + mdoc.see_also(others + ([("qubes-storage", 1)] if is_overview else []))


def since(declarations, read):
    releases = read.since()
    by_release = {}
    for declaration in declarations:
        if declaration.kind == "function":
            by_release.setdefault(releases[declaration.name], []).append(declaration.name)
    first = min(by_release, key=lambda text: [int(part) for part in text.split(".")])
    later = "; ".join(f"{', '.join(names)} since {release}"
                      for release, names in by_release.items() if release != first)
    return f"All are there since {first}" + (f", but for: {later}." if later else ".")


def main():
    directory = sys.argv[1]
    read = header.read()
    for section in read.sections:
        if section.title not in PAGES:
            raise header.FormError(f"no page for the section {section.title}: see PAGES")
    if os.path.isdir(directory):
        for old in os.listdir(directory):
            os.unlink(os.path.join(directory, old))
    for name in [OVERVIEW] + groups():
        sections = [s for s in read.sections if PAGES[s.title][0] == name]
        mdoc.write(directory, name + ".3", page(name, sections, read))
        for function in [f for s in sections for i in s.items for f in i.functions()]:
            if os.path.exists(os.path.join(directory, function + ".3")):
                raise header.FormError(f"two pages are called {function}")
            mdoc.write(directory, function + ".3", [f".so man3/{name}.3"])


if __name__ == "__main__":
    main()
