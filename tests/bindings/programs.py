# SPDX-License-Identifier: LGPL-2.1-or-later
"""An installed copy of the library, and the programs of the suites, compiled with that copy only.

In BUILD/bindings: `root` is the installed copy, `target` is cargo's, and a directory for each suite
has the programs that it runs. A guest gets the first and the last (testvm/guest/suite)."""
import json
import os
import re
import shutil
import subprocess

from installed import CHECKOUT, LIBRARY, PACKAGE, install

RUST = os.path.join(CHECKOUT, "bindings/rust")
EXAMPLES = os.path.join(CHECKOUT, "docs/examples")
# Set where what was compiled before is to be run.
COMPILED = "QUBES_STORAGE_TEST_COMPILED"
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]


def call(command, **options):
    """Runs it; its output. What goes wrong ends the suite."""
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n"
                         f"{done.stdout[-6000:]}{done.stderr[-6000:]}")
    return done.stdout


def first_block(path, language):
    """The code that a README begins with: nothing but its title may stand before it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = re.match(r"(?s)<!--[^\n]*-->\n# [^\n]*\n\n```(\w+)[^\n]*\n(.*?)```\n", text)
    if not found or found.group(1) != language:
        raise SystemExit(f"{path} does not begin with lines of {language}")
    return found.group(2)


class Programs:
    """Of one suite."""

    def __init__(self, build, suite):
        self.build = os.path.realpath(build)
        self.base = os.path.join(self.build, "bindings")
        self.root = os.path.join(self.base, "root")
        self.directory = os.path.join(self.base, suite)

    def path(self, name):
        return os.path.join(self.directory, name)

    def names(self, prefix):
        return sorted(name for name in os.listdir(self.directory) if name.startswith(prefix))

    def environment(self):
        """Of a program that runs."""
        return {**os.environ, "LD_LIBRARY_PATH": self.root + LIBRARY,
                "PYTHONPATH": self.root + PACKAGE, "PYTHONDONTWRITEBYTECODE": "1",
                "RUST_BACKTRACE": "0"}

    # ---- Compiling ------------------------------------------------------------------------------

    def begin(self):
        """The installed copy, new; and no program of before."""
        install(self.build, self.root)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)

    def installed(self):
        """The environment of a compiler: it finds the installed copy, by pkg-config."""
        return {**self.environment(), "PKG_CONFIG_SYSROOT_DIR": self.root,
                "PKG_CONFIG_PATH": self.root + LIBRARY + "/pkgconfig"}

    def compile_c(self, source, name):
        flags = call(["pkg-config", "--cflags", "--libs", "qubesstorage"], env=self.installed())
        call([os.environ.get("CC", "cc"), *STRICT, source, "-o", self.path(name), *flags.split()],
             env=self.installed(), cwd=self.directory)

    def cargo(self, *arguments, directory=RUST):
        """The distribution's, where there is one: it is the oldest that must do. Nothing from the
        network, and nothing of the user's settings."""
        environment = {**self.installed(), "CARGO_HOME": os.path.join(self.base, "cargo-home"),
                       "CARGO_TARGET_DIR": os.path.join(self.base, "target")}
        program = "cargo"
        if os.access("/usr/bin/cargo", os.X_OK) and os.access("/usr/bin/rustc", os.X_OK):
            program = "/usr/bin/cargo"
            environment.update(RUSTC="/usr/bin/rustc", RUSTDOC="/usr/bin/rustdoc")
        return call([program, *arguments, "--offline", "--quiet"], cwd=directory, env=environment)

    def cargo_programs(self, *arguments, directory=RUST):
        """What cargo compiles to be run: kind, name and path of each."""
        found = []
        said = self.cargo(*arguments, "--message-format=json", directory=directory)
        for line in said.split("\n"):
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("executable"):
                target = message["target"]
                found.append((target["kind"][0], target["name"], message["executable"]))
        return found

    def keep(self, program, name):
        shutil.copy(program, self.path(name))

    def compile_rust_program(self, source, name):
        """One file, as a crate of its own that depends on the binding."""
        crate = os.path.join(self.base, "crates", name)
        os.makedirs(crate, exist_ok=True)
        with open(os.path.join(crate, "Cargo.toml"), "w", encoding="utf-8") as file:
            file.write(f'[package]\nname = "{name}"\nversion = "0.0.0"\nedition = "2021"\n\n'
                       f'[[bin]]\nname = "{name}"\npath = "{source}"\n\n[dependencies]\n'
                       f'qubesstorage = {{ path = "{RUST}/qubesstorage" }}\n\n[workspace]\n')
        (_, _, program), = self.cargo_programs("build", directory=crate)
        self.keep(program, name)

    def write_source(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


def compile_rust(build):
    programs = Programs(build, "rust")
    programs.begin()
    tests = programs.cargo_programs("test", "--workspace", "--no-run", "--locked")
    for kind, name, program in tests:
        if kind in ("test", "lib"):
            programs.keep(program, f"test-{name}" if kind == "test" else f"unit-{name}")
    (_, _, example), = programs.cargo_programs("build", "--example", "session", "--locked")
    programs.keep(example, "session")
    programs.cargo("test", "--doc", "--locked")
    readme = first_block(os.path.join(RUST, "qubesstorage/README.md"), "rust")
    programs.compile_rust_program(programs.write_source("readme.rs", readme), "readme")


def compile_examples(build):
    programs = Programs(build, "examples")
    programs.begin()
    for name in ("session", "poll_loop"):
        # A copy: nothing of the checkout is beside it.
        source = programs.path(name + ".c")
        shutil.copy(os.path.join(EXAMPLES, name + ".c"), source)
        programs.compile_c(source, name)
    readme = first_block(os.path.join(EXAMPLES, "README.md"), "c")
    programs.compile_c(programs.write_source("readme.c", readme), "readme")


def compile_scenario(build):
    programs = Programs(build, "scenario")
    programs.begin()
    here = os.path.dirname(os.path.realpath(__file__))
    programs.compile_c(os.path.join(here, "scenario.c"), "c")
    programs.compile_rust_program(os.path.join(here, "scenario.rs"), "rust")


def compile_python(build):
    """Nothing but the installed copy."""
    Programs(build, "python").begin()


COMPILE = {"rust": compile_rust, "examples": compile_examples, "scenario": compile_scenario}
