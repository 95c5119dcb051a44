#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is written agrees with what is there: links, directories, verbs, figures, versions.
usage: tests/documents/test_documents.py BUILD"""
import glob
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tempfile

import checks
from checks import ROOT, read, run

PAGES = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                       cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
# What a program makes, examples, and files of others: Linux, Qubes core-admin.
NOT_HERE = re.compile(r"^(build|/|etc/|usr/|appvms|vm-templates|POOL|DIR|KERNEL|PREFIX|\.\./lib/|"
                      r"Documentation/|qubes/|work/private|bench\.md$)")


# Files that others mend, and what they still cite.
CITED_ELSEWHERE = {"docs/CRASH_MODEL.md": {"ordering.md"},
                   "tests/python/cases_driver.py": {"peers.md"},
                   "tests/python/qubes/storage/__init__.py": {"peers.md"}}


def script(name):
    """A script of scripts/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(ROOT, "scripts", name))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def check_names(check):
    """Each file of the repository that a page names in `backticks`, or links to, is there."""
    for page in PAGES:
        text = read(page)
        named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+|[\w-]+\.(?:md|py|cc|h|mk))/?`", text))
        named |= set(re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text))
        near = os.path.dirname(page)
        missing = [name for name in sorted(named) if not NOT_HERE.match(name) and not any(
            glob.glob(os.path.join(ROOT, place, name + end)) for place in
            ("", near, "src", "src/fs", "tests", "testvm", "docs", "tests/simulation", "testvm/crash",
             "testvm/crash/driver",
             "tests/unit", "tests/real", "bindings/python", "bindings/rust", "c-api", "scripts/reference")
            for end in ("", ".*"))]
        check.empty(missing, f"{page} names what is not there")


def tracked():
    return subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                          cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def cited(text):
    """The .md files that it names, with or without backticks; not those of an address."""
    without = re.sub(r"https?://\S+", "", text)
    return set(re.findall(r"(?<![\w./*}-])((?:[\w.-]+/)*[\w-]+\.md)(?![\w.])", without))


def unknown_documents(names):
    """Those that are no file of the repository, by path or by the end of it."""
    return {name for name in names if not NOT_HERE.match(name) and not any(
        ("/" + page).endswith("/" + name) for page in PAGES)}


def check_citations(check):
    """Each document that a page, a test or a comment cites is in the repository, or else nobody who
    reads the citation can follow it."""
    check.equal(unknown_documents(cited(
        "as ordering.md §3 (notes/peers.md), `gone.md`, docs/GONE.md; README.md, docs/ON_DISK.md, "
        "https://example.org/there.md, *.md, {page}.md, made.md.in")),
        {"ordering.md", "notes/peers.md", "gone.md", "docs/GONE.md"}, "citations that are found")
    count = 0
    for name in tracked():
        path = os.path.join(ROOT, name)
        if name == "tests/documents/test_documents.py" or name.startswith("tests/fuzz/corpus/") or \
                not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        near = {page for page in cited(text) if os.path.exists(
            os.path.join(os.path.dirname(path), page))}
        names = cited(text) - near
        count += len(names)
        check.empty(sorted(unknown_documents(names) - CITED_ELSEWHERE.get(name, set())),
                    f"{name} cites documents that are not there")
        check.claim(not re.search(r"\bDESIGN\b", text), f"{name} cites a design that is not there")
    check.claim(count > 50, f"citations were not found: {count}")


def check_windows(check):
    """docs/PEER.md has each crash window and hazard, and names the tests of each in its row."""
    rows = dict(re.findall(r"^\| ([WH]\d+) \| (.*)$", read("docs/PEER.md"), re.M))
    check.equal(set(rows), {f"W{n}" for n in range(1, 23)} | {f"H{n}" for n in range(1, 16)},
                "the windows and hazards of docs/PEER.md")
    tests = {}
    for path in glob.glob(os.path.join(ROOT, "tests/real/*.cc")):
        for test in re.findall(r"TEST_CASE\(\s*([WH]\d+_\w+)", read(path)):
            tests.setdefault(test.split("_")[0], set()).add(test)
    for name, row in rows.items():
        check.equal(set(re.findall(r"`([WH]\d+_\w+)`", row)), tests.get(name), f"tests of {name}")


def check_verbs(check):
    """Each `make VERB` that a page names is one."""
    verbs = set()
    for makefile in ["Makefile"] + [os.path.relpath(path, ROOT) for path in
                                    glob.glob(os.path.join(ROOT, "*", "**", "*.mk"), recursive=True)]:
        verbs |= set(re.findall(r"^([a-z-]+):", read(makefile), re.M))
    check.claim(len(verbs) > 20, f"the verbs were not found: {verbs}")
    for page in PAGES:
        named = set(re.findall(r"(?:`|^    |sudo )make ([a-z-]+)", read(page), re.M))
        check.empty(sorted(named - verbs), f"{page} names verbs that are not there")


def check_directories(check):
    """docs/ARCHITECTURE.md names every directory of the repository with code."""
    text = read("docs/ARCHITECTURE.md")
    names = tracked()
    wanted = {"/".join(name.split("/")[:2]) for name in names
              if name.startswith(("tests/", "testvm/")) and name.count("/") > 1}
    wanted |= {name.split("/")[0] for name in names if "/" in name} - {".ci", "tests", "testvm"}
    check.empty([name for name in sorted(wanted) if not re.search(
        rf"[`| ─]{re.escape(name)}\b", text)], "directories that docs/ARCHITECTURE.md leaves out")
    readme = read("README.md").split("## Read on")[1]
    pages = [page for page in PAGES if page.startswith("docs/") and page.count("/") == 1]
    pages += ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
    check.empty([page for page in pages if page not in readme], "pages that the README leaves out")


def check_changelog(check, build):
    text = read("CHANGELOG.md")
    version = read("version").strip()
    newest = re.search(r"^## (\S+), \d{4}-\d{2}-\d{2}$", text, re.M)
    check.claim(newest and newest.group(1) == version,
                f"the newest entry of CHANGELOG.md is not of {version}")
    library = os.path.join(build, f"libqubesstorage.so.{version}")
    notes = os.path.join(ROOT, "scripts/release-notes")
    status, output = run(notes, library, "--check")
    check.claim(status == 0, f"the figures in CHANGELOG.md (mend: scripts/release-notes): {output}")
    module = script("release-notes")
    figures = module.measure(library)
    check.equal(figures["constructors of ours"], 0, "constructors of ours")
    check.claim(figures["relocations without a symbol"] > 0, "relocations are counted")
    check_figures_fail(check, module, figures)


def check_figures_fail(check, module, figures):
    """The comparison can fail: on a number that is far off, another library, one more constructor."""
    for name, wrong in (("size, stripped (KiB)", 1), ("needed libraries", "libc.so.6"),
                        ("constructors of ours", 1), ("relocations without a symbol", 100000)):
        check.claim(not module.is_near(figures[name], wrong), f"{name} {wrong} is taken for true")
        check.claim(module.is_near(figures[name], figures[name]), f"{name} is not taken for true")
    with tempfile.TemporaryDirectory() as work:
        source, library = os.path.join(work, "x.cc"), os.path.join(work, "x.so")
        with open(source, "w", encoding="ascii") as file:
            file.write("extern int f(); int ours = f();\n")
        subprocess.run(["g++", "-shared", "-fPIC", source, "-o", library], check=True)
        check.equal(module.measure(library)["constructors of ours"], 1, "a constructor")


# What each run prints in the end, as the programs of today print it.
LOGS = {
    "tests": "12 passed, 0 failed, 0 skipped\n",
    "sim": "xfs    origin, keep 1    30 states     70 crashes      20 operations, complete\n"
           "btrfs  origin, keep 1    31 states     75 crashes       9 operations, cut off at the l\n"
           "simulation: 30 states, 0 violations (xfs)\nsimulation: 61 states, 0 violations\n",
    "teeth": "caught    without \"sync directory t\": xfs\n0 more make no difference that matters\n"
             "teeth: 19 of 20 caught\n",
    "faults": "simulated xfs    12 injected\nreal      xfs    3 injected\n"
              "faults: 15 injected, 0 violations\n",
    "random": "random: 156 runs of 120 operations, 2 violations\n",
    "crash": "  xfs: 4 recordings, 400 distinct states checked, 1 left out for want of time\n"
             "  recorded on: guest kernel 4 times\ncrash: 400 states on xfs, 0 violations\n",
    "resets": "  xfs: 8 resets of 2 disks in the middle of workloads, 5 of them within an operation, 1 "
              "more before all was recovered; 99 operations\nresets: 8 by sysrq b; 90 s; no violations\n",
    "fuzz": "fuzz: names: 1000 inputs in 5 s (x)\n1 passed, 0 failed\n",
}


def check_evidence(check):
    evidence = script("evidence")
    made = evidence.made_page(evidence.load())
    check.claim(made == read("docs/EVIDENCE.md"),
                "docs/EVIDENCE.md is not what docs/evidence.json makes: make evidence")
    check.equal(set(LOGS), set(evidence.RUNS), "the runs that this test knows")
    runs = {}
    for name, log in LOGS.items():
        figures = evidence.RUNS[name][2](log)
        runs[name] = {"command": evidence.RUNS[name][1], "commit": "c" * 40, "kernel": "6.1",
                      "date": "2026-01-02", "seconds": 90, "figures": figures}
        check.claim(evidence.RUNS[name][3](figures), f"{name} is said")
    found = {name: run_of["figures"]["violations"] for name, run_of in runs.items()}
    check.equal({name: number for name, number in found.items() if number},
                {"teeth": 1, "random": 2}, "violations that are read")
    check.equal(runs["sim"]["figures"], {"states": 61, "crashes": 145, "operations": 29,
                                         "scenarios": 2, "complete": 1, "violations": 0}, "sim")
    page = evidence.made_page(runs)
    for words in ("| 1 | `make teeth`", "| **none** | `make sim`", "xfs: 400 states of 4 recordings",
                  "xfs: 8 resets, 5 within", "names: 1,000 inputs"):
        check.claim(words in page, f"the page does not say: {words}")
    check.claim("for want of a full run" in evidence.made_page({}), "runs that are missing")
    for name in LOGS:
        try:
            check.claim(not evidence.RUNS[name][2]("nothing"), f"{name} of an empty log")
        except (TypeError, IndexError):
            check.claim(True, name)
    check.claim(re.search(r'"simulation: %zu states, %zu violations\\n"',
                          read("tests/simulation/sim_main.cc")), "what sim prints has changed")


def main():
    build = os.path.abspath(sys.argv[1])
    check = checks.Checks()
    check_names(check)
    check_citations(check)
    check_windows(check)
    check_verbs(check)
    check_directories(check)
    check_changelog(check, build)
    check_evidence(check)
    check.end(f"tests/documents/test_documents.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
