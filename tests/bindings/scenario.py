#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a script (scenario.txt) by the Python binding: `scenario.py SCRIPT DIRECTORY`. Prints each
command with its answer: "ok", a value ("-" if that is empty), or the name of the code."""
import asyncio
import os
import sys

import qubesstorage

FLAGS = {"save": "save_on_stop", "snap": "snap_on_start", "rw": "rw"}
VALUES = {"size": ("size", int), "keep": ("revisions_to_keep", int), "source": ("source", str)}


def options(words):
    """Of `volume`, as the arguments of Pool.volume."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in FLAGS:
            found[FLAGS[key]] = True
        else:
            name, kind = VALUES[key]
            found[name] = kind(value)
    return found


def write(path, offset, text):
    with open(path, "r+b") as file:
        file.seek(int(offset))
        file.write(text.encode())


def show(info):
    return (f"{info.vid} size={info.size} nominal={info.nominal_size} rw={info.rw:d} "
            f"save={info.save_on_stop:d} snap={info.snap_on_start:d} "
            f"keep={info.revisions_to_keep} source={info.source or '-'} "
            f"started={info.is_started:d} dirty={info.is_dirty:d} outdated={info.is_outdated:d}")


class Interpreter:
    def __init__(self, directory):
        self.directory = directory
        self.pool = qubesstorage.Pool(os.path.join(directory, "pool"))
        self.volumes = {}
        self.in_job = False

    def file(self, name):
        return os.path.join(self.directory, name)

    def do(self, owner, name, *arguments, **options_):
        """By the function, or by its twin in an event loop."""
        if not self.in_job:
            return getattr(owner, name)(*arguments, **options_)
        return asyncio.run(getattr(owner, name + "_async")(*arguments, **options_))

    def run(self, words):
        """The answer; None is "ok"."""
        self.in_job = words[0] == "job"
        verb, *rest = words[self.in_job:]
        command = getattr(self, "on_" + verb.replace("-", "_"), None)
        if command:
            return command(*rest)
        if not rest:
            return self.do(self.pool, verb)
        name, *arguments = rest
        return self.do(self.volumes[name], verb, *map(int, arguments))

    # ---- Pools ----

    def on_volume(self, name, vid, *words):
        self.volumes[name] = self.pool.volume(vid, **options(words))

    def on_recover(self):
        return " ".join(finding.vid for finding in self.do(self.pool, "recover"))

    def on_list(self):
        return " ".join(self.do(self.pool, "volumes"))

    # ---- What a virtual machine or a person does ----

    def on_file(self, name, size, offset, text):
        with open(self.file(name), "wb") as file:
            file.truncate(int(size))
        write(self.file(name), offset, text)

    def on_write(self, name, offset, text):
        write(self.volumes[name].path, offset, text)

    def on_write_import(self, name, offset, text):
        write(self.volumes[name].import_path, offset, text)

    # ---- Files ----

    def on_clone(self, source, target, *size):
        more = {"size": int(size[0])} if size else {}
        reflinked = self.do(qubesstorage, "file_clone", self.file(source), self.file(target),
                            **more)
        return "reflinked" if reflinked else "copied"

    def on_create_sparse(self, name, size):
        self.do(qubesstorage, "file_create_sparse", self.file(name), int(size))

    def on_resize_file(self, name, size):
        self.do(qubesstorage, "file_resize", self.file(name), int(size))

    # ---- Volumes: what takes or gives more than numbers ----

    def on_show(self, name):
        return show(self.do(self.volumes[name], "info"))

    def on_revisions(self, name):
        found = self.do(self.volumes[name], "list_revisions")
        return " ".join(f"{revision.number}:{revision.size}" for revision in found)

    def on_resize(self, name, size, *shrink):
        self.do(self.volumes[name], "resize", int(size), shrink=shrink == ("shrink",))

    def on_set_keep(self, name, count):
        self.do(self.volumes[name], "set_revisions_to_keep", int(count))

    def on_set_rw(self, name, rw):
        self.volumes[name].set_rw(rw == "1")

    def on_import_begin(self, name, size):
        self.do(self.volumes[name], "import_begin", int(size))

    def on_import_end(self, name, how):
        self.do(self.volumes[name], "import_end", how == "ok")

    def on_import_volume(self, name, source):
        self.do(self.volumes[name], "import_volume", self.volumes[source])

    def on_import_file(self, name, path):
        with open(self.file(path), "rb") as file:
            self.do(self.volumes[name], "import_fd", file)

    def on_export(self, name, path):
        with open(self.file(path), "wb") as file:
            self.do(self.volumes[name], "export_to", file)


def main():
    script, directory = sys.argv[1:]
    interpreter = Interpreter(os.path.realpath(directory))
    with open(script, encoding="ascii") as file:
        lines = [line.rstrip("\n") for line in file]
    for line in lines:
        if not line or line.startswith("#"):
            continue
        try:
            answer = interpreter.run(line.split(" "))
        except qubesstorage.StorageError as error:
            answer = error.code.name
        print(f"{line} -> {'ok' if answer is None else answer or '-'}")


if __name__ == "__main__":
    main()
