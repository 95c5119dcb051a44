#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/api/header.sh [BUILD]: the header as each language sees it; header, symbol map and library
# name the same functions; what the library needs, exports and runs when it is loaded.
set -euo pipefail

cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
header=include/qubes/storage.h
library=$build/libqubesstorage.so
work=$(mktemp -d "${TMPDIR:-/var/tmp}/qubes-storage-header-XXXXXX")
trap 'rm -rf "$work"' EXIT

passed=0
failed=0
good() { passed=$((passed + 1)); }
bad() {
  failed=$((failed + 1))
  echo "failed: $*" >&2
}
check() { if "${@:2}"; then good; else bad "$1"; fi; }
same() { # WHAT A B
  if diff -u "$2" "$3" >&2; then good; else bad "$1"; fi
}

# ---- Each language -------------------------------------------------------------------------------

printf '#include <qubes/storage.h>\n#include <qubes/storage.h>\nint main(void) { return 0; }\n' \
  >"$work/alone.c"
cp "$work/alone.c" "$work/alone.cc"
strict=(-pedantic-errors -Wall -Wextra -Wshadow -Werror -Iinclude -fsyntax-only)
for standard in c99 c11 c17; do
  check "$standard" "${CC:-gcc}" -std="$standard" "${strict[@]}" -Wstrict-prototypes "$work/alone.c"
done
for standard in c++11 c++14 c++20; do
  check "$standard" "${CXX:-g++}" -std="$standard" "${strict[@]}" "$work/alone.cc"
done
if command -v clang >/dev/null; then
  check "clang, c99" clang -std=c99 -Weverything "${strict[@]}" "$work/alone.c"
fi

# ---- The same functions everywhere ---------------------------------------------------------------

# Comments away, then the names before an opening bracket that are not types of function pointers.
gcc -std=c99 -fpreprocessed -dD -E -P "$header" 2>/dev/null |
  grep -v '^#' | tr '\n' ' ' | grep -oE '\bqubes_storage_[a-z0-9_]+ *\(' |
  tr -d ' (' | sort >"$work/header"
sed -n 's/^ *\(qubes_storage_[a-z0-9_]*\);$/\1/p' c-api/libqubesstorage.map | sort >"$work/map"
nm -D --defined-only --format=posix "$library" >"$work/nm"
awk '$2 != "A" {sub(/@.*/, "", $1); print $1}' "$work/nm" | sort >"$work/exported"
same "header and symbol map name the same functions" "$work/header" "$work/map"
same "symbol map and library name the same functions" "$work/map" "$work/exported"
check "no name twice in the header" test -z "$(uniq -d "$work/header")"
check "the map is sorted" cmp -s "$work/map" \
  <(sed -n 's/^ *\(qubes_storage_[a-z0-9_]*\);$/\1/p' c-api/libqubesstorage.map)
check "every export is code" test -z "$(awk '$2 != "A" && $2 != "T"' "$work/nm")"
node=QUBES_STORAGE_$(cut -d. -f1,2 version)
check "there is a node for this release: $node" grep -qE "^$node( |\$)" "$work/nm"

# ---- What it needs, what it is called ------------------------------------------------------------

dynamic=$(LC_ALL=C readelf -dW "$library")
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
allowed='^(libc|libstdc\+\+|libgcc_s|libmount|libblkid)\.so\.[0-9]+$'
# A sanitizer brings its own; a measured build is not what is shipped.
if ! grep -qE '^lib(asan|ubsan|tsan)' <<<"$needed"; then
  check "needs only what it may: $(tr '\n' ' ' <<<"$needed")" \
    test -z "$(grep -vE "$allowed" <<<"$needed")"
fi
check "its name is libqubesstorage.so.0" grep -q 'SONAME.*\[libqubesstorage\.so\.0\]' <<<"$dynamic"
check "no path is built in" test -z "$(grep -E 'R(UN)?PATH|TEXTREL' <<<"$dynamic")"
check "the stack is not executable" \
  test -z "$(LC_ALL=C readelf -lW "$library" | grep GNU_STACK | grep E)"

# ---- Nothing of ours runs when it is loaded ------------------------------------------------------

# An object with a static constructor has a section for it. The toolchain's own frame_dummy is not
# in an object of ours; libstdc++'s ios_base::Init comes with #include <iostream>.
for object in $(find "$build/src" "$build/c-api" -name '*.o'); do
  if LC_ALL=C readelf -SW "$object" | grep -qE ' \.(init_array|ctors)'; then
    what=$(nm -C "$object" | grep -oE '(_GLOBAL__sub_I_[^ ]*|__static_init.*)' | head -1) || true
    case $what in
      _GLOBAL__sub_*asan* | _GLOBAL__sub_*ubsan*) ;;
      *) grep -qE '^lib(asan|ubsan|tsan)' <<<"$needed" || bad "static constructor: $object ($what)" ;;
    esac
  fi
done
good
bytes=$(LC_ALL=C readelf -SW "$library" |
  sed -n 's/.* \.init_array *[A-Z_]* *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p')
entries=$((0x${bytes:-0} / 8))
echo "entries in .init_array: $entries (one is the toolchain's frame_dummy)"
if ! grep -qE '^lib(asan|ubsan|tsan)' <<<"$needed"; then
  check "only the toolchain's entry in .init_array" test "$entries" -le 1
fi

# ---- Documentation -------------------------------------------------------------------------------

# A group is lines without an empty one between them; its first function has a comment above it, or
# the group before it has, where these are the `_ref` and `_unref` of the conventions.
awk '
  /^\/\*/ { in_comment = 1; documented = 1 }
  in_comment { if (/\*\//) in_comment = 0; next }
  /^$/ { documented = 0; next }
  /qubes_storage_[a-z0-9_]+\(/ && !/^typedef/ {
    match($0, /qubes_storage_[a-z0-9_]+\(/)
    name = substr($0, RSTART, RLENGTH - 1)
    if (!documented && name !~ /_(ref|unref)$/) print name
  }
' "$header" >"$work/undocumented"
check "undocumented: $(tr '\n' ' ' <"$work/undocumented")" test ! -s "$work/undocumented"
check "no line of the header is longer than 100" test -z "$(grep -nE '^.{101,}' "$header")"
check "no struct layout, inline function, varargs or exported data in the header" test -z \
  "$(grep -nE '^struct .*\{|\binline\b|\.\.\.\)|^extern [^"]' "$header")"

# ---- Loaded and unloaded -------------------------------------------------------------------------

# shellcheck disable=SC2086 # lists of words
"${CC:-gcc}" -std=c99 -pedantic -Wall -Wextra -Wshadow -Werror -D_GNU_SOURCE ${CFLAGS:-} \
  ${SANITIZE:-} -Iinclude tests/api/dlopen.c -pthread -ldl -o "$work/dlopen-test"
# The tables of locks are kept for ever on purpose (src/volume_lock.cc), so an unload loses them.
export ASAN_OPTIONS=detect_leaks=0
check "dlopen, use, dlclose in threads" timeout 100 "$work/dlopen-test" "$library" "$work"

echo "$passed passed, $failed failed"
test "$failed" = 0
