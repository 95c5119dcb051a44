#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the table of calls for calls_fuzz.cc: one for each function of the public header, with
arguments by type and name. A type or name without a rule is an error, so no function is left out.
usage: make_calls.py >calls_table.inc"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../../scripts/reference"))
import header  # noqa: E402  pylint: disable=wrong-import-position
import man3  # noqa: E402  pylint: disable=wrong-import-position

# By name: a member function of Session that picks one.
NUMBERS = {"flags": "flags", "size_bytes": "size", "number": "small", "index": "small",
           "count": "candidate_count", "code": "any32", "kind": "small32", "keep": "keep",
           "revisions_to_keep": "keep", "timeout_ms": "timeout"}
BOOLEANS = ("rw", "save_on_stop", "snap_on_start", "ephemeral", "setup_check", "precache", "success")
TEXTS = {"dir_path": "path", "source": "path", "target": "path", "path": "path",
         "target_dir": "path", "source_dir": "path", "vid": "vid", "source_vid": "vid",
         "prefix": "word", "name": "word"}


def argument(text, position, handles):
    """(what makes it, what is passed, what is checked after the call)"""
    kind, name = re.match(r"(.*?)(\w+)$", text).groups()
    kind, local = kind.strip(), f"a{position}"
    bare = kind.replace("const ", "").rstrip("*").strip()
    if name == "reterr":
        return "Failure failure(input);", "failure.where()", ""
    if kind == "const char *const *":
        return f"const char* const* {local} = session.candidates(input);", local, ""
    if kind == "const char *":
        return f"const char* {local} = session.{TEXTS[name]}(input);", local, ""
    if kind.endswith("**"):
        return f"Output<{bare}> {local}(input);", f"{local}.where()", f"{local}.keep(session, result);"
    if bare in handles:
        return f"{bare}* {local} = session.slots<{bare}>().pick(input);", local, ""
    if kind in ("int *", "int32_t *", "int64_t *", "uint64_t *"):
        close = " session.close_given(" + local + ", result);" if kind == "int *" else ""
        return f"Value<{bare}> {local}(input);", f"{local}.where()", f"{local}.check(result);{close}"
    if kind in ("qubes_storage_progress", "qubes_storage_log"):
        return f"{kind} {local} = session.{kind[14:]}(input);", local, ""
    if kind == "void *":
        return "", "&session", ""
    if kind == "int" and name == "fd":
        return f"int {local} = session.descriptor(input);", local, ""
    maker = "boolean" if name in BOOLEANS else NUMBERS[name]
    return f"const auto {local} = static_cast<{kind}>(session.{maker}(input));", local, ""


def call(declaration, handles):
    name = declaration.name
    result = declaration.text[:declaration.text.index(name)].strip()
    parts = [argument(text, i, handles) for i, text in enumerate(man3.arguments(declaration))]
    lines = [f"static void call_{name[14:]}([[maybe_unused]] Session& session, "
             "[[maybe_unused]] Bytes& input) {"]
    passed = ", ".join(part[1] for part in parts)
    if name.endswith("_unref"):
        handle = name[:-6]
        lines += [f"  {name}(session.slots<{handle}>().take(input));"]
    elif name.endswith("_ref"):
        handle = name[:-4]
        lines += [f"  session.slots<{handle}>().put({name}(session.slots<{handle}>().pick(input)), "
                  "input);"]
    else:
        lines += [f"  {part[0]}" for part in parts if part[0]]
        lines += [f"  {'[[maybe_unused]] const auto result = ' if result != 'void' else ''}{name}({passed});"]
        lines += [f"  failure.check(session, result, \"{name}\");"] if "reterr" in declaration.text else []
        lines += [f"  {part[2]}" for part in parts if part[2]]
        lines += ["  touch(result);"] if result == "const char *" else []
    return lines + ["}"]


def opcode(name):
    """Of a function, so that a corpus keeps its meaning when others are added: FNV-1a, folded. What
    begins with a byte of 250 or more is no call."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return ((value >> 16) ^ (value & 0xFFFF)) % (250 << 8)


def main():
    read = header.read()
    handles = [d.name for d in read.declarations() if d.kind == "handle"]
    functions = [d for d in read.declarations() if d.kind == "function"]
    if len({opcode(function.name) for function in functions}) != len(functions):
        raise header.FormError("two functions have one opcode")
    lines = ["// SPDX-License-Identifier: LGPL-2.1-or-later", "// Made by tests/fuzz/make_calls.py."]
    lines += [line for function in functions for line in call(function, handles)]
    lines += ["static const Call kCalls[] = {"]
    for function in sorted(functions, key=lambda one: opcode(one.name)):
        lines += [f"    {{{opcode(function.name)}, \"{function.name}\", "
                  f"call_{function.name[14:]}}},"]
    print("\n".join(lines + ["};"]))


if __name__ == "__main__":
    main()
