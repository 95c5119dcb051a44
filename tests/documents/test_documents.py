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
        check.empty(sorted(unknown_documents(names)), f"{name} cites documents that are not there")
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


def check_versions(check):
    """Each place that has the version (docs/HACKING.md, "A release") has that of the file."""
    crates = "bindings/rust/"
    places = {
        "bindings/python/pyproject.toml": r'^version = "(.*)"$',
        crates + "qubesstorage/Cargo.toml": r'^(?:qubesstorage-sys = .*)?version = "(.*?)"',
        crates + "qubesstorage-sys/Cargo.toml": r'^version = "(.*)"$',
        crates + "Cargo.lock": r'^name = "qubesstorage.*"\nversion = "(.*)"$',
        "packaging/debian/changelog": r"\A\S+ \((.*)-\d+\)",
    }
    listed = read("docs/HACKING.md").split("## A release")[1].split("\n## ")[0]
    for name, pattern in places.items():
        found = re.findall(pattern, read(name), re.M)
        number = 2 if name.endswith(("Cargo.lock", "qubesstorage/Cargo.toml")) else 1
        check.equal(found, [read("version").strip()] * number, f"the version in {name}")
        check.claim(f"`{name}`" in listed, f"docs/HACKING.md does not list {name} for a release")


def check_changelog(check, build):
    text = read("CHANGELOG.md")
    version = read("version").strip()
    newest = re.search(r"^## (\S+), \d{4}-\d{2}-\d{2}$", text, re.M)
    check.claim(newest and newest.group(1) == version,
                f"the newest entry of CHANGELOG.md is not of {version}")
    library = os.path.join(build, f"libqubesstorage.so.{version}")
    module = script("release-notes")
    figures = module.measure(library)
    said = re.search(r"on (\S+), built by (gcc \d+) with the default flags", text)
    if check.claim(said, "CHANGELOG.md does not say what its figures are of"):
        if built_by(library) == said.groups():
            notes = os.path.join(ROOT, "scripts/release-notes")
            status, output = run(notes, library, "--check")
            check.claim(status == 0, f"the figures in CHANGELOG.md (mend: scripts/release-notes): {output}")
        else:
            print(f"the figures in CHANGELOG.md are not of {' '.join(built_by(library))}: not compared")
    check.equal(figures["constructors of ours"], 0, "constructors of ours")
    check.claim(figures["relocations without a symbol"] > 0, "relocations are counted")
    check_needed(check, figures["needed libraries"], module.written(text)["needed libraries"])
    check_figures_fail(check, module, figures)


def built_by(library):
    """(architecture, compiler): what figures depend on."""
    machine = re.search(r"Machine: +(.*)", run("readelf", "-hW", library)[1]).group(1)
    comment = run("readelf", "-p", ".comment", library)[1]
    gcc = re.search(r"GCC: \(.*\) (\d+)\.", comment)
    is_mixed = "clang" in comment or len(set(re.findall(r"GCC: \(.*\) (\d+)\.", comment))) != 1
    return ("x86-64" if machine.endswith("X86-64") else machine,
            f"gcc {gcc.group(1)}" if gcc and not is_mixed else "another compiler")


# Which of its own libraries a toolchain names is its matter.
TOOLCHAIN = re.compile(r"(libc|libm|libgcc_s|libstdc\+\+|ld-linux[\w-]*)\.so\.\d+$")


def beside_toolchain(needed, said):
    """Both without those of the toolchain."""
    return [{name for name in names.split(", ") if not TOOLCHAIN.match(name)}
            for names in (needed, said)]


def check_needed(check, needed, said):
    found, wanted = beside_toolchain(needed, said)
    check.equal(found, wanted, "libraries that are needed beside those of the toolchain")
    check.equal(wanted, {"libblkid.so.1", "libmount.so.1"}, "libraries that CHANGELOG.md says")
    found, wanted = beside_toolchain(needed + ", libcrypto.so.3, libm.so.6, ld-linux-aarch64.so.1", said)
    check.equal(found - wanted, {"libcrypto.so.3"}, "a library too many is told")


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


# Lines of real logs (build/*.log), with the sums of what is left here; those of crash and resets are
# put together from what their programs print.
LOGS = {
    "tests": """\
header          23 passed, 0 failed in 1 s (build/header.log)
corpus          79 passed, 0 failed in 0 s (build/corpus.log)
25495 passed, 0 failed, 0 skipped
""",
    "sim": """\
ext4   origin, keep 2                                       3011 states     8671 crashes      2200 \
operations, cut off at the limit of states
ext4   origin, grown                                        1109 states     2244 crashes      3575 \
operations, complete
simulation: 4120 states, 0 violations (ext4)
not explored (docs/CRASH_MODEL.md, 3):
  1 of 2 scenarios beyond the limit of states: breadth first, so their longer ways
simulation: 4120 states, 0 violations
""",
    "teeth": """\
no matter create: "clone C" before "sync directory after rename T of C -> C": work on a file without \
a name changes nothing that is there
caught    create: "rename T of C -> C" before "sync T of C": btrfs (origin, keep 0) xfs (origin, keep 0)
caught    create: without "sync T of C": btrfs (origin, keep 0) xfs (origin, keep 0)
caught    create: without "sync directory after make directory": btrfs (origin, keep 1)
no matter stop: without "sync directory after unlink P": a session has a precache beside it only
caught    mistake: new files are synced before they have a name: btrfs (origin, keep 0)
2 more make no difference that matters, for the reasons above
teeth: 4 of 4 caught
""",
    "faults": """\
simulated xfs    30013 injected
simulated other  27116 injected
real      xfs    1521 injected
faults: 58650 injected, 0 violations
""",
    "random": "random: 156 runs of 120 operations, 0 violations\n",
    "crash": """\
  xfs: 26 recordings, 5361 distinct states checked, 9 left out for want of time
  btrfs: 26 recordings, 26424 distinct states checked, 0 left out for want of time
  recorded on: the guest's kernel 42 times, 6.18.44-fc-v509 kernel 36 times
crash: 5361 states on xfs, 26424 on btrfs, 0 violations
""",
    "resets": """\
  xfs: 204 resets of 12 disks in the middle of workloads, 156 of them within an operation, 15 more \
before all was recovered; 9876 operations
resets: 60 by sysrq b, 40 by sysrq c, 52 by system_reset, 52 by SIGKILL; 1098 s; no violations
""",
    "fuzz": """\
fuzz: names: 100751 inputs in 20 s (build-fuzz/fuzz/names.log)
fuzz: calls: 4892 inputs in 20 s (build-fuzz/fuzz/calls.log)
2 passed, 0 failed
""",
}
# The same where something was found: what is another then, and how many violations that is.
FOUND = {
    "tests": ("0 failed, 0 skipped", "4 failed, 0 skipped", 4),
    "sim": ("4120 states, 0 violations\n", "4120 states, 3 violations\n", 3),
    "teeth": ("teeth: 4 of 4", "MISSED    stop: without \"sync D\"\nteeth: 4 of 5", 1),
    "faults": ("0 violations", "5 violations", 5),
    "random": ("0 violations", "2 violations", 2),
    "crash": ("0 violations", "6 violations", 6),
    "resets": ("no violations", "7 violations", 7),
    "fuzz": ("0 failed", "1 failed", 1),
}
# What of these lines the programs have in their source.
PRINTED = {
    "tests/run": ["{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped"],
    "tests/simulation/sim_main.cc": [
        "%-6s %-48s %8zu states %8zu crashes %9zu operations, %s\\n", '"complete"',
        "simulation: %zu states, %zu violations (%s)\\n", "simulation: %zu states, %zu violations\\n"],
    "tests/simulation/teeth_main.cc": [
        "caught    %s:%s\\n", "no matter %s: %s\\n", "MISSED    %s\\n",
        "%zu more make no difference that matters", "teeth: %zu of %zu caught\\n"],
    "tests/simulation/mutations.cc": ['": without \\""', '"sync directory"', '"sync "'],
    "tests/simulation/faults_main.cc": [
        "simulated %-6s %zu injected\\n", "real      %-6s %zu injected\\n",
        "faults: %zu injected, %zu violations\\n"],
    "tests/simulation/random_main.cc": ["random: %zu runs of %zu operations, %zu violations\\n"],
    "testvm/crash/crash": ["  {kind}: {totals.recordings[kind]} recordings, "
                           "{totals.checked[kind]} distinct ", "states checked, ",
                           "  recorded on: ", "{kernel} kernel {count} times"],
    "testvm/crash/driver/exploration.py": ["crash: {', '.join(parts)}, {self.violations} violations"],
    "testvm/crash/driver/resets.py": [
        "  {kind}: {sums['resets']} resets of {len(disks)} disks in the middle of workloads, ",
        "{sums['in_operation']} of them within an operation, {sums['in_recovery']} more ",
        "resets: {ways}; ", "{found or 'no'} violations"],
    "tests/fuzz/run": ["fuzz: $target: ${inputs:-0} inputs in $seconds s ($log)",
                       "$passed passed, $failed failed"],
}


def git(*words):
    return run("git", *words)


def has_history():
    """In the archive of a release there is none, and in a shallow clone only its end."""
    return git("rev-parse", "--is-shallow-repository") == (0, "false\n")


def leads_here(commit):
    return git("merge-base", "--is-ancestor", commit, "HEAD")[0] == 0


def check_commits(check, runs):
    """Figures are of a commit that led to this one, not of one that was given up."""
    if not has_history():
        return
    check.claim(leads_here("HEAD") and not leads_here("c" * 40), "ancestors are told")
    for name, run_of in runs.items():
        check.claim(leads_here(run_of["commit"]),
                    f"{name} in docs/evidence.json is of {run_of['commit']}, no ancestor of HEAD")


def check_evidence(check):
    evidence = script("evidence")
    made = evidence.made_page(evidence.load())
    check.claim(made == read("docs/EVIDENCE.md"),
                "docs/EVIDENCE.md is not what docs/evidence.json makes: make evidence")
    check_commits(check, evidence.load())
    check.equal(set(LOGS), set(evidence.RUNS), "the runs that this test knows")
    for name, texts in PRINTED.items():
        source = read(name)
        check.empty([text for text in texts if text not in source], f"{name} no longer prints")
    runs = {}
    for name, log in LOGS.items():
        figures = evidence.RUNS[name][2](log)
        check.equal(figures["violations"], 0, f"violations of {name}")
        old, new, violations = FOUND[name]
        check.equal(log.count(old), 1, f"{old} in the log of {name}")
        check.equal(evidence.RUNS[name][2](log.replace(old, new))["violations"], violations,
                    f"violations of {name}")
        runs[name] = {"command": evidence.RUNS[name][1], "commit": "c" * 40, "kernel": "6.1",
                      "date": "2026-01-02", "seconds": 90, "figures": figures}
        check.claim(evidence.RUNS[name][3](figures), f"{name} is said")
    runs["random"]["figures"]["violations"] = 2
    check.equal(runs["sim"]["figures"], {"states": 4120, "crashes": 10915, "operations": 5775,
                                         "scenarios": 2, "complete": 1, "violations": 0}, "sim")
    check.equal(runs["teeth"]["figures"], {"caught": 4, "changes": 4, "needless": 2,
                                           "syncs_caught": 2, "violations": 0}, "teeth")
    check.equal(runs["faults"]["figures"], {"simulated": 57129, "real": 1521, "violations": 0},
                "faults")
    page = evidence.made_page(runs)
    for words in ("| 2 | `make random`", "| **none** | `make sim`",
                  "xfs: 5,361 states of 26 recordings", "xfs: 204 resets, 156 within", "names: 100,751 inputs", "25,495 tests passed",
                  "2 of them a sync that is left out", "the guest's kernel 42 times"):
        check.claim(words in page, f"the page does not say: {words}")
    check.claim("for want of a full run" in evidence.made_page({}), "runs that are missing")
    for name in LOGS:
        try:
            check.claim(not evidence.RUNS[name][2]("nothing"), f"{name} of an empty log")
        except (TypeError, IndexError):
            check.claim(True, name)


def main():
    build = os.path.abspath(sys.argv[1])
    check = checks.Checks()
    check_names(check)
    check_citations(check)
    check_windows(check)
    check_verbs(check)
    check_directories(check)
    check_versions(check)
    check_changelog(check, build)
    check_evidence(check)
    check.end(f"tests/documents/test_documents.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
