# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables for readers, in plain text and in Markdown, and the verdicts."""


class Verdicts:
    """What it must show: claims with a limit. Printed as they are made."""

    def __init__(self):
        self.made = []

    def at_most(self, claim, measured, limit):
        self._add(claim, measured, "at most", limit, measured <= limit)

    def at_least(self, claim, measured, limit):
        self._add(claim, measured, "at least", limit, measured >= limit)

    def _add(self, claim, measured, relation, limit, met):
        self.made.append({"claim": claim, "measured": measured, "relation": relation,
                          "limit": limit, "met": met})

    @property
    def failed(self):
        return [verdict for verdict in self.made if not verdict["met"]]

    def print(self):
        print("\nWhat it must show")
        for verdict in self.made:
            print(f"{'met    ' if verdict['met'] else 'NOT MET'} {verdict['claim']}: "
                  f"{number(verdict['measured'])}, {verdict['relation']} {verdict['limit']}")
        print(f"{len(self.made) - len(self.failed)} met, {len(self.failed)} not met")


def number(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def milliseconds(ns):
    value = ns / 1e6
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def print_table(title, header, rows):
    print(f"\n{title}")
    lines = [header, *rows]
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(header))]
    for line in lines:
        first, *others = (str(cell) for cell in line)
        print("  ".join([first.ljust(widths[0]),
                         *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]))


def markdown_table(header, rows):
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


# ---- The operations -----------------------------------------------------------------------------

def operation_rows(cells):
    """One row an operation; `-` where a contestant has no such operation."""
    names = [name for name in ("ours", "bare", "peer")
             if any(name in cell for cell in cells.values())]
    header = ["operation"]
    header += [f"{name} ms" for name in names]
    header += [f"{name} total ms" for name in names if name != "peer"]
    header += [f"{name} flushes" for name in names]
    header += [f"{name} written" for name in names]
    rows = []
    for operation, cell in cells.items():
        def value(name, part, what, show, cell=cell):
            return show(cell[name][part][what]) if name in cell else "-"
        row = [operation]
        row += [value(name, "foreground", "ns", milliseconds) for name in names]
        row += [value(name, "total", "ns", milliseconds) for name in names if name != "peer"]
        row += [value(name, "foreground", "flushes", str) for name in names]
        row += [value(name, "foreground", "written", str) for name in names]
        rows.append(row)
    return header, rows


def print_operations(result):
    for kind, by_extents in result.items():
        for extents, cells in by_extents.items():
            title = (f"{kind}, image of {extents} extents (foreground; total: with background; "
                     "flush and written requests: foreground)")
            print_table(title, *operation_rows(cells))


def operations_markdown(result):
    """The table of the README: the most extents, all filesystems side by side."""
    header, rows = ["operation"], {}
    for kind, by_extents in result.items():
        few, many = min(by_extents), max(by_extents)
        peer = any("peer" in cell for cell in by_extents[many].values())
        header += [f"{kind}: ms, {few} extent", f"{many} extents", "bare calls"]
        header += ["peer"] if peer else []
        header += ["flushes"]
        for name, cell in by_extents[many].items():
            row = rows.setdefault(name, [name])
            row.append(milliseconds(by_extents[few][name]["ours"]["foreground"]["ns"]))
            row += [milliseconds(cell[one]["foreground"]["ns"]) for one in ("ours", "bare")]
            if peer:
                row.append(milliseconds(cell["peer"]["foreground"]["ns"])
                           if "peer" in cell else "-")
            row.append(cell["ours"]["foreground"]["flushes"])
    return markdown_table(header, rows.values())
