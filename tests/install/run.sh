#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs into an empty directory, and builds and runs a program with only what is there.
# usage: tests/install/run.sh BUILD
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
passed=0

check() {
  if "${@:2}"; then passed=$((passed + 1)); else
    echo "failed: $1"
    echo "$passed passed, 1 failed"
    exit 1
  fi
}

make -s -C "$here" BUILD="$build" DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib/here install

version=$(cat "$here/version")
for file in usr/include/qubes/storage.h "usr/lib/here/libqubesstorage.so.$version" \
  usr/lib/here/pkgconfig/qubesstorage.pc usr/bin/qubes-storage usr/share/man/man1/qubes-storage.1 \
  usr/share/man/man3/libqubesstorage.3; do
  check "$file is installed" test -f "$root/$file"
done
check "soname link" test "$(readlink "$root/usr/lib/here/libqubesstorage.so.0")" = "libqubesstorage.so.$version"
check "development link" test "$(readlink "$root/usr/lib/here/libqubesstorage.so")" = libqubesstorage.so.0
check "nothing else is installed" test "$(find "$root" -type f -o -type l | grep -vc '/man/man3/')" -eq 7
for function in qubes_storage_version qubes_storage_volume_stop_async; do
  check "man finds $function" grep -q "$function" <(man -M "$root/usr/share/man" -P cat 3 "$function")
done

export PKG_CONFIG_PATH=$root/usr/lib/here/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
check "pkg-config knows the version" test "$(pkg-config --modversion qubesstorage)" = "$version"
cat >"$root/program.c" <<'PROGRAM'
#include <qubes/storage.h>
#include <stdio.h>
int main(void) {
  puts(qubes_storage_version());
  return 0;
}
PROGRAM
# shellcheck disable=SC2046
check "a program builds" cc -std=c99 -Wall -Werror "$root/program.c" -o "$root/program" \
  $(pkg-config --cflags --libs qubesstorage)
export LD_LIBRARY_PATH=$root/usr/lib/here
check "it runs" test "$("$root/program")" = "$version"
check "the command runs" "$root/usr/bin/qubes-storage" --version >/dev/null

make -s -C "$here" BUILD="$build" DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib/here uninstall
check "uninstall leaves nothing" test "$(find "$root/usr" -type f -o -type l | wc -l)" -eq 0
echo "$passed passed, 0 failed"
