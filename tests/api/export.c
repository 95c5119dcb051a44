/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exports: a pinned descriptor, and copies into files and pipes. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

#define VID "appvms/work/private"

static void export_descriptor(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  int fd = -1;
  WORKS(qubes_storage_volume_export_fd, volume, 0, &fd);
  CHECK(fd >= 0);
  CHECK_I64(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
  CHECK_I64(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_I64(lseek(fd, 0, SEEK_CUR), 0);
  CHECK_I64(write(fd, "x", 1), -1);
  WORKS(qubes_storage_volume_start, volume, 0);
  write_text(qubes_storage_volume_path(volume), 0, "two");
  CHECK(fd_has_text(fd, 0, "one"));
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(fd_has_text(fd, 0, "one")); /* pinned */
  WORKS(qubes_storage_volume_remove, volume, 0);
  CHECK(fd_has_text(fd, 0, "one"));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
  CHECK(fd_has_text(fd, 0, "one")); /* the caller's */
  CHECK_I64(close(fd), 0);
}

static void export_to_refusals(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  make_file(place("target"), 100, "old");
  const int reading = open(place("target"), O_RDONLY | O_CLOEXEC);
  const int appending = open(place("target"), O_WRONLY | O_APPEND | O_CLOEXEC);
  const int own = open(image_of(volume, ".img"), O_RDWR | O_CLOEXEC);
  char* before = listing(place(""));
  FAILS(BAD("fd"), qubes_storage_volume_export_to, volume, -1, NULL, NULL, 0);
  FAILS(BAD("fd"), qubes_storage_volume_export_to, volume, INT32_MIN, NULL, NULL, 0);
  const int closed = closed_descriptor();
  FAILS(CODE(INVALID), qubes_storage_volume_export_to, volume, closed, NULL, NULL, 0);
  FAILS(CODE(INVALID), qubes_storage_volume_export_to, volume, INT32_MAX, NULL, NULL, 0);
  CHECK(qubes_storage_volume_export_to(volume, reading, NULL, NULL, 0, NULL) != 0);
  CHECK(qubes_storage_volume_export_to(volume, appending, NULL, NULL, 0, NULL) != 0);
  FAILS(CODE(INVALID), qubes_storage_volume_export_to, volume, own, NULL, NULL, 0);
  CHECK(has_text(place("target"), 0, "old"));
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  CHECK(is_unchanged(place(""), before));
  close(reading);
  close(appending);
  close(own);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void export_to_file(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  make_file(place("target"), 5 * kMiB, "what it held is replaced");
  write_text(place("target"), 4 * kMiB, "also beyond the end");
  const int fd = open(place("target"), O_RDWR | O_CLOEXEC);
  int calls = 0;
  WORKS(qubes_storage_volume_export_to, volume, fd, count_calls, &calls, 0);
  CHECK(calls > 0);
  CHECK_U64(size_of(place("target")), SIZE_OF_VOLUME);
  CHECK(has_text(place("target"), 0, "one"));
  CHECK(!has_text(place("target"), 5, "it held"));
  CHECK(allocated(place("target")) < SIZE_OF_VOLUME); /* holes stay holes */
  CHECK(fcntl(fd, F_GETFD) != -1);
  calls = 0;
  CHECK_I64(qubes_storage_volume_export_to(volume, fd, stop_at_once, &calls, 0, NULL),
            QUBES_STORAGE_CANCELLED);
  CHECK_I64(calls, 1);
  close(fd);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void export_to_pipe(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  int ends[2];
  char data[32 * kKiB + 10];
  WORKS(qubes_storage_volume_resize, volume, 32 * kKiB, QUBES_STORAGE_RESIZE_SHRINK);
  CHECK_I64(pipe(ends), 0);
  WORKS(qubes_storage_volume_export_to, volume, ends[1], NULL, NULL, 0);
  CHECK(fcntl(ends[1], F_GETFD) != -1);
  close(ends[1]);
  CHECK_I64(read(ends[0], data, sizeof data), 32 * kKiB);
  CHECK(memcmp(data, "one\0\0", 5) == 0);
  CHECK_I64(data[32 * kKiB - 1], 0); /* holes are zeros */
  CHECK_I64(read(ends[0], data, 1), 0);
  close(ends[0]);
  /* Nobody reads: an error, not a signal. */
  CHECK_I64(pipe(ends), 0);
  close(ends[0]);
  FAILS(KERNEL(IO, EPIPE), qubes_storage_volume_export_to, volume, ends[1], NULL, NULL, 0);
  close(ends[1]);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* Into another volume's import, as two pools do it that know nothing of each other. */
static void export_to_import(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  qubes_storage_volume* other = new_volume(pool, SOURCE, &origin_kind);
  int fd = -1;
  WORKS(qubes_storage_volume_export_fd, volume, 0, &fd);
  WORKS(qubes_storage_volume_import_fd, other, fd, SIZE_OF_VOLUME, NULL, NULL, 0);
  CHECK(has_text(image_of(other, ".img"), 0, "one"));
  close(fd);
  WORKS(qubes_storage_volume_import_begin, other, 0, 0);
  fd = open(qubes_storage_volume_import_path(other), O_WRONLY | O_CLOEXEC);
  run_session(volume, "two");
  WORKS(qubes_storage_volume_export_to, volume, fd, NULL, NULL, 0);
  close(fd);
  WORKS(qubes_storage_volume_import_end, other, 1, 0);
  CHECK(has_text(image_of(other, ".img"), 0, "two"));
  CHECK_U64(volume_size(other), SIZE_OF_VOLUME);
  qubes_storage_volume_unref(other);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test export_tests[] = {
    {"export_descriptor", export_descriptor}, {"export_to_refusals", export_to_refusals},
    {"export_to_file", export_to_file},       {"export_to_pipe", export_to_pipe},
    {"export_to_import", export_to_import},   {NULL, NULL},
};
