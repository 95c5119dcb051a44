# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the packages are, before anybody installs them."""
import glob
import os
import re
import subprocess

import builds
from harness import claim, equal, test
from roots import output_of

CHECKOUT = builds.CHECKOUT

# Each dependency is a decision: another one, or one that went, is to be seen here first.
DEB_DEPENDS = {
    "libqubesstorage0": ["libblkid1", "libc6", "libgcc-s1", "libmount1", "libstdc++6"],
    "libqubesstorage-dev": ["libqubesstorage0 (= VERSION-1)"],
    "qubes-storage-tools": ["libc6", "libgcc-s1", "libqubesstorage0 (>= 0.1.0)", "libstdc++6"],
    "python3-qubesstorage": ["libqubesstorage0 (>= VERSION)", "python3:any"],
    "libqubesstorage-doc": [],
}
RPM_REQUIRES = {
    "libqubesstorage": ["libblkid.so.1", "libc.so.6", "libgcc_s.so.1", "libmount.so.1",
                        "libstdc++.so.6", "rtld(GNU_HASH)"],
    "libqubesstorage-devel": ["/usr/bin/pkg-config", "libqubesstorage(x86-64) = VERSION-1"],
    "qubes-storage-tools": ["libc.so.6", "libgcc_s.so.1", "libm.so.6", "libqubesstorage.so.0",
                            "libstdc++.so.6", "rtld(GNU_HASH)"],
    "python3-qubesstorage": ["libqubesstorage >= VERSION", "python(abi)"],
    "libqubesstorage-doc": [],
}
# The package of Fedora that has each of what is not ours.
FEDORA = {"libblkid.so.1": "libblkid", "libc.so.6": "glibc", "libgcc_s.so.1": "libgcc",
          "libm.so.6": "glibc", "libmount.so.1": "libmount", "libstdc++.so.6": "libstdc++",
          "rtld(GNU_HASH)": "glibc", "/usr/bin/pkg-config": "pkgconf-pkg-config",
          "python(abi)": "python3-libs"}


def without_bounds(name):
    """A foreign dependency without its version, and without that of a symbol."""
    if "qubesstorage" in name:
        return re.sub(r"^(lib\S+\.so\.\d+)\(.*", r"\1", name)
    name = re.sub(r" .*", "", name)
    return re.sub(r"^(lib\S+\.so\.\d+)\(.*", r"\1", name)


def with_version(wanted):
    return {name: sorted(item.replace("VERSION", builds.version()) for item in items)
            for name, items in wanted.items()}


def requires(path):
    """Of an RPM, without those on rpm itself."""
    lines = output_of(["rpm", "-qp", "--requires", path]).splitlines()
    return [line.strip() for line in lines if not line.startswith("rpmlib(")]


@test("xfs")
def depends_of_the_debs(place):
    found = {}
    for name, path in place.built("deb", "deb").items():
        fields = output_of(["dpkg-deb", "-f", path, "Depends", "Pre-Depends"])
        items = re.sub(r"(?m)^(Pre-)?Depends: ", "", fields).replace("\n", ", ").split(", ")
        found[name] = sorted({without_bounds(item) for item in items if item})
    equal(found, with_version(DEB_DEPENDS), "Depends")


@test("xfs")
def requires_of_the_rpms(place):
    found = {name: sorted({without_bounds(item) for item in requires(path)})
             for name, path in place.built("rpm", "rpm").items()}
    equal(found, with_version(RPM_REQUIRES), "Requires")
    foreign = {item for items in found.values() for item in items if "qubesstorage" not in item}
    equal(sorted(foreign - set(FEDORA)), [], "what no package of Fedora is known to have")


@test("xfs")
def the_symbols_file_is_the_symbol_map(_place):
    output_of([os.path.join(CHECKOUT, "packaging/symbols"), "--check"])


@test("xfs")
def lintian_is_silent(place):
    changes = glob.glob(os.path.join(place.packages, "deb", "*.changes"))
    equal(len(changes), 1, "how many .changes")
    equal(output_of(["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit",
                     "0", "--pedantic", changes[0]]), "", "lintian says")


@test("xfs")
def overrides_have_a_reason(_place):
    for path in glob.glob(os.path.join(CHECKOUT, "packaging/debian/**/*lintian-overrides"),
                          recursive=True) + glob.glob(f"{CHECKOUT}/packaging/rpm/*.rpmlintrc"):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line]
        for before, line in zip([""] + lines, lines):
            claim(line.startswith("#") or before.startswith("# ") and "SPDX-License" not in before,
                  f"{path}: no reason above: {line}")


@test("xfs")
def rpmlint_finds_no_errors(place):
    rpm = os.path.join(place.packages, "rpm")
    done = subprocess.run(
        ["rpmlint", "-r", os.path.join(CHECKOUT, "packaging/rpm/qubes-storage.rpmlintrc"),
         *glob.glob(f"{rpm}/RPMS/*/*.rpm"), *glob.glob(f"{rpm}/SRPMS/*.rpm"),
         *glob.glob(f"{rpm}/SPECS/*.spec")], capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": E: " in line]
    equal(errors, [], "rpmlint says")
    claim(re.search(r"\d+ packages and 1 specfiles checked; 0 errors", done.stdout),
          f"rpmlint did not finish: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def hardened(path, what):
    dynamic = output_of(["readelf", "--wide", "--dynamic", "--program-headers", path])
    claim("BIND_NOW" in dynamic or "Flags: NOW" in dynamic, f"{what}: not bound at the start")
    claim("GNU_RELRO" in dynamic, f"{what}: no RELRO")
    claim(re.search(r"GNU_STACK.* RW ", dynamic), f"{what}: the stack is executable")
    claim("Elf file type is DYN" in dynamic, f"{what}: at a fixed address")
    symbols = output_of(["readelf", "--wide", "--dyn-syms", path])
    claim("__stack_chk_fail" in symbols, f"{what}: no stack protector")
    claim(re.search(r"__\w+_chk@", symbols), f"{what}: not fortified")


@test("xfs")
def programs_are_hardened(place):
    for directory, suffix, command in (
            ("deb", "deb", 'dpkg-deb -x "$1" "$2"'),
            ("rpm", "rpm", 'cd "$2" && rpm2cpio "$1" | cpio -id --quiet')):
        target = os.path.join(place.directory, suffix)
        os.mkdir(target)
        for path in place.built(directory, suffix).values():
            output_of(["sh", "-c", command, "sh", path, target])
        programs = [f"{target}/usr/bin/qubes-storage"]
        programs += glob.glob(f"{target}/usr/lib*/**/libqubesstorage.so.0.*", recursive=True)
        equal(len(programs), 2, f"programs of the {suffix} packages")
        for path in programs:
            hardened(path, os.path.relpath(path, place.directory))
            claim(".debug_info" not in output_of(["readelf", "--wide", "--sections", path]),
                  f"{path}: not stripped")
            text = output_of(["strings", path])
            claim(place.packages not in text, f"{path}: it says where it was built")


@test("xfs")
def the_debs_are_reproducible(place):
    def files(name):
        pattern = r"\.(deb|dsc|tar\.\w+)$"
        found = sorted(glob.glob(os.path.join(place.packages, name, "*.*")))
        return {os.path.basename(path): path for path in found if re.search(pattern, path)}

    first, again = files("deb"), files("deb-again")
    equal(sorted(first), sorted(again), "files")
    equal(len([name for name in first if name.endswith(".deb")]), 7, "how many .deb")
    different = [name for name in first
                 if subprocess.run(["cmp", first[name], again[name]], check=False).returncode]
    equal(different, [], f"different in {place.packages}/deb and deb-again")


@test("xfs")
def the_qubes_builder_finds_everything(_place):
    """The keys and placeholders are those of its README."""
    with open(os.path.join(CHECKOUT, ".qubesbuilder"), encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("#")]
    equal([line for line in lines if not re.match(
        r"(host|vm):$|  (rpm|deb):$|    build:$|      - packaging/[\w./-]+$", line)], [], "unknown")
    sources = [line.split("- ")[1] for line in lines if "- " in line]
    equal(sorted(set(sources)), ["packaging/debian", "packaging/rpm/qubes-storage.spec"], "sources")
    for name in ("control", "changelog", "rules", "source/format"):
        claim(os.path.isfile(f"{CHECKOUT}/packaging/debian/{name}"), f"no {name}")
    with open(f"{CHECKOUT}/packaging/rpm/qubes-storage.spec.in", encoding="utf-8") as file:
        found = set(re.findall(r"@\w+@", file.read()))
    equal(sorted(found), ["@CHANGELOG@", "@REL@", "@VERSION@"], "placeholders")
