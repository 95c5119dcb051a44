#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/api/run.sh [BUILD [PART-OF-A-NAME]]: builds api-tests against the library in BUILD and runs
# it on loop-mounted XFS, Btrfs and ext4 (as root). CFLAGS and SANITIZE as in the Makefile.
set -euo pipefail

cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
only=${2:-}
program=$build/tests/api-tests
mkdir -p "$build/tests"

# Every function of the library is used by some test.
sed -n 's/^ *\(qubes_storage_[a-z_]*\);$/\1/p' c-api/libqubesstorage.map | sort -u |
  comm -23 - <(grep -oh 'qubes_storage_[a-z_]*' tests/api/*.c | sort -u) > "$build/tests/untested"
if [ -s "$build/tests/untested" ]; then
  echo "no test in tests/api/*.c uses:" >&2
  cat "$build/tests/untested" >&2
  exit 1
fi

# shellcheck disable=SC2046,SC2086 # lists of words
${CC:-gcc} -std=c99 -pedantic -Wall -Wextra -Wshadow -Werror -D_GNU_SOURCE \
  -D_FILE_OFFSET_BITS=64 -O1 -g ${CFLAGS:-} ${SANITIZE:-} -Iinclude \
  $(ls tests/api/*.c | grep -v '/dlopen\.c$') \
  -L"$build" -lqubesstorage -Wl,-rpath,"$build" -pthread -o "$program"

if [ "$(id -u)" != 0 ]; then
  echo "not root: give api-tests a directory yourself: $program DIRECTORY" >&2
  exit 77
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/qubes-storage-api-XXXXXX")
clean_up() {
  if mountpoint -q "$work/mnt"; then umount "$work/mnt" || umount -l "$work/mnt"; fi
  rm -rf "$work"
}
trap clean_up EXIT
mkdir "$work/mnt"

status=0
for type in xfs btrfs ext4; do
  truncate -s 512M "$work/image"
  "mkfs.$type" -q "$work/image"
  mount -o loop -t "$type" "$work/image" "$work/mnt"
  echo "== $type"
  # shellcheck disable=SC2086 # no second argument where it is empty
  timeout "${API_TESTS_TIMEOUT:-300}" ${WRAPPER:-} "$program" "$work/mnt" $only || status=1
  umount "$work/mnt"
  rm "$work/image"
done
exit "$status"
