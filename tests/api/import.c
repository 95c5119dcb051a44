/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Imports: by hand into a file, from a volume, from a descriptor. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

#define VID "appvms/work/private"

static void import_by_hand(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  const char* const path = qubes_storage_volume_import_path(volume);
  FAILS(BAD("size_bytes"), qubes_storage_volume_import_begin, volume, (uint64_t)INT64_MAX + 1, 0);
  FAILS(BAD("size_bytes"), qubes_storage_volume_import_begin, volume, QUBES_STORAGE_UNKNOWN, 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_import_end, volume, 1, 0);
  WORKS(qubes_storage_volume_import_begin, volume, 2 * kMiB, 0);
  CHECK_U64(size_of(path), 2 * kMiB);
  CHECK_U64(allocated(path), 0);
  FAILS(BAD("success"), qubes_storage_volume_import_end, volume, 2, 0);
  FAILS(BAD("success"), qubes_storage_volume_import_end, volume, -1, 0);
  write_text(path, 0, "new");
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  WORKS(qubes_storage_volume_import_end, volume, 1, 0);
  CHECK(!is_there(path));
  CHECK(has_text(image_of(volume, ".img"), 0, "new"));
  CHECK_U64(volume_size(volume), 2 * kMiB);
  CHECK_U64(revisions_of(volume), 1);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_import_end, volume, 1, 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_import_end, volume, 0, 0);
  WORKS(qubes_storage_pool_drain, pool);
  char* before = listing(place("pool"));
  WORKS(qubes_storage_volume_import_begin, volume, 0, 0);
  write_text(path, 0, "bad");
  WORKS(qubes_storage_volume_import_end, volume, 0, 0); /* thrown away */
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* While an import is held, by whichever handle. */
static void import_excludes(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  qubes_storage_volume* other = new_volume(pool, VID, &origin_kind);
  WORKS(qubes_storage_volume_import_begin, volume, 4096, 0);
  write_text(qubes_storage_volume_import_path(volume), 0, "half");
  char* before = listing(place("pool"));
  for (int i = 0; i < 2; ++i) {
    qubes_storage_volume* const handle = i == 0 ? volume : other;
    FAILS(REFUSED(BUSY), qubes_storage_volume_start, handle, 0);
    FAILS(REFUSED(BUSY), qubes_storage_volume_remove, handle, 0);
    FAILS(REFUSED(BUSY), qubes_storage_volume_import_begin, handle, 4096, 0);
    FAILS(REFUSED(BUSY), qubes_storage_volume_import_volume, handle, volume, NULL, NULL, 0);
    FAILS(REFUSED(EXISTS), qubes_storage_volume_create, handle, 0);
    WORKS(qubes_storage_volume_verify, handle);
  }
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_import_end, other, 1, 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_import_end, other, 0, 0);
  qubes_storage_report* report = NULL;
  WORKS(qubes_storage_pool_recover, pool, &report); /* nor does a recovery take it away */
  qubes_storage_report_unref(report);
  CHECK(is_unchanged(place("pool"), before));
  CHECK(has_text(qubes_storage_volume_import_path(volume), 0, "half"));
  qubes_storage_volume_unref(volume); /* given up */
  WORKS(qubes_storage_volume_start, other, 0);
  CHECK(!is_there(qubes_storage_volume_import_path(other)));
  char* started = listing(place("pool"));
  FAILS(REFUSED(DIRTY), qubes_storage_volume_import_begin, other, 4096, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_import_volume, other, other, NULL, NULL, 0);
  CHECK(is_unchanged(place("pool"), started));
  qubes_storage_volume_unref(other);
  qubes_storage_pool_unref(pool);
}

/* An import makes the volume where there is none; one that is given up leaves nothing. */
static void import_makes_volume(void) {
  const struct kind* const kinds[] = {&origin_kind, &in_place_kind, &origin_snapshot_kind};
  qubes_storage_pool* pool = new_pool();
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    WORKS(qubes_storage_volume_import_begin, volume, 4096, 0);
    if (kinds[i] == &origin_kind) {
      FAILS(REFUSED(BUSY), qubes_storage_volume_create, volume, 0);
      FAILS(CODE(NOT_FOUND), qubes_storage_volume_verify, volume);
    }
    write_text(qubes_storage_volume_import_path(volume), 0, "made");
    WORKS(qubes_storage_volume_import_end, volume, 1, 0);
    CHECK(has_text(image_of(volume, ".img"), 0, "made"));
    CHECK_U64(revisions_of(volume), 0);
    WORKS(qubes_storage_volume_remove, volume, 0);
    CHECK(!is_there(place("pool/appvms/work")));
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_pool_unref(pool);
}

static int file_descriptor(const char* name, uint64_t size, const char* text, int flags) {
  make_file(place(name), size, text);
  const int fd = open(place(name), flags | O_CLOEXEC);
  if (fd == -1) die(name);
  return fd;
}

/* Nothing of a failed import is left, whether the volume was there or not. */
static void import_fd_refusals(void) {
  qubes_storage_pool* pool = new_pool();
  for (int turn = 0; turn < 2; ++turn) {
    qubes_storage_volume* volume =
        turn == 0 ? new_volume(pool, VID, &origin_kind) : new_origin(pool, VID, "one");
    const int fd = file_descriptor("data", 5000, "data", O_RDONLY);
    const int writing = file_descriptor("data", 5000, "data", O_WRONLY);
    const int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char* before = listing(place("pool"));
    FAILS(BAD("fd"), qubes_storage_volume_import_fd, volume, -1, 0, NULL, NULL, 0);
    FAILS(BAD("fd"), qubes_storage_volume_import_fd, volume, INT32_MIN, 0, NULL, NULL, 0);
    const int closed = closed_descriptor();
    FAILS(CODE(INVALID), qubes_storage_volume_import_fd, volume, closed, 0, NULL, NULL, 0);
    FAILS(CODE(INVALID), qubes_storage_volume_import_fd, volume, INT32_MAX, 0, NULL, NULL, 0);
    FAILS(BAD("size_bytes"), qubes_storage_volume_import_fd, volume, fd, (uint64_t)INT64_MAX + 1,
          NULL, NULL, 0);
    FAILS(REFUSED(INVALID), qubes_storage_volume_import_fd, volume, fd, 4999, NULL, NULL, 0);
    FAILS(REFUSED(INVALID), qubes_storage_volume_import_fd, volume, fd, 5001, NULL, NULL, 0);
    FAILS(REFUSED(INVALID), qubes_storage_volume_import_fd, volume, fd, 0, NULL, NULL, 0);
    CHECK(qubes_storage_volume_import_fd(volume, writing, 5000, NULL, NULL, 0, NULL) != 0);
    CHECK(qubes_storage_volume_import_fd(volume, directory, QUBES_STORAGE_UNKNOWN, NULL, NULL, 0,
                                         NULL) != 0);
    WORKS(qubes_storage_pool_drain, pool);
    CHECK(is_unchanged(place("pool"), before));
    close(fd);
    close(writing);
    close(directory);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_pool_unref(pool);
}

static void import_fd_file(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  const int fd = file_descriptor("data", 5 * kMiB + 7, "data", O_RDONLY);
  CHECK_I64(lseek(fd, 100, SEEK_SET), 100); /* a regular file is taken whole */
  WORKS(qubes_storage_volume_import_fd, volume, fd, 5 * kMiB + 7, NULL, NULL, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "data"));
  CHECK_U64(volume_size(volume), 5 * kMiB + 7);
  CHECK(allocated(image_of(volume, ".img")) < kMiB);
  write_text(place("data"), 0, "DATA"); /* the caller's file is its own */
  CHECK(has_text(image_of(volume, ".img"), 0, "data"));
  WORKS(qubes_storage_volume_import_fd, volume, fd, QUBES_STORAGE_UNKNOWN, NULL, NULL, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "DATA"));
  CHECK_U64(revisions_of(volume), 1);
  CHECK(fcntl(fd, F_GETFD) != -1); /* still open */
  close(fd);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* A pipe that holds `text`, zeros up to `size` (at most its capacity), and its end. */
static int pipe_with(const char* text, size_t size) {
  int ends[2];
  char* data = calloc(1, size);
  memcpy(data, text, strlen(text));
  if (pipe(ends) == -1 || write(ends[1], data, size) != (ssize_t)size) die("pipe");
  close(ends[1]);
  free(data);
  return ends[0];
}

static void import_fd_pipe(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  const size_t size = 48 * kKiB + 3;
  char* before = listing(place("pool"));
  int calls = 0;
  const uint64_t wrong[] = {0, size - 1, size + 1};
  for (int i = 0; i < 3; ++i) {
    const int fd = pipe_with("piped", size);
    CHECK_I64(qubes_storage_volume_import_fd(volume, fd, wrong[i], NULL, NULL, 0, NULL),
              QUBES_STORAGE_INVALID);
    close(fd);
  }
  int fd = pipe_with("piped", size);
  CHECK_I64(qubes_storage_volume_import_fd(volume, fd, size, stop_at_once, &calls, 0, NULL),
            QUBES_STORAGE_CANCELLED);
  CHECK_I64(calls, 1);
  close(fd);
  CHECK(is_unchanged(place("pool"), before)); /* nothing of it is left */
  fd = pipe_with("piped", size);
  char c = 0;
  CHECK(read(fd, &c, 1) == 1 && c == 'p'); /* from where it stands */
  calls = 0;
  check_works(qubes_storage_volume_import_fd(volume, fd, size - 1, count_calls, &calls, 0, &err),
              "import from a pipe", __FILE__, __LINE__);
  CHECK(calls > 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "iped"));
  CHECK_U64(volume_size(volume), size - 1);
  CHECK(allocated(image_of(volume, ".img")) <= 16 * kKiB); /* zeros became holes */
  close(fd);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void import_from_volume(void) {
  const struct kind* const without[] = {&volatile_kind, &snapshot_kind};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  qubes_storage_volume* absent = new_volume(pool, "appvms/absent/private", &origin_kind);
  char* before = listing(place("pool"));
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_import_volume, volume, absent, NULL, NULL, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_import_volume, volume, volume, NULL, NULL, 0);
  for (int i = 0; i < 2; ++i) { /* no committed state either */
    qubes_storage_volume* unsaved = new_volume(pool, "appvms/absent/root", without[i]);
    FAILS(CODE(NOT_SUPPORTED), qubes_storage_volume_import_volume, volume, unsaved, NULL, NULL, 0);
    qubes_storage_volume_unref(unsaved);
  }
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_start, source, 0); /* its committed state all the same */
  write_text(qubes_storage_volume_path(source), 0, "two");
  WORKS(qubes_storage_volume_import_volume, volume, source, NULL, NULL, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  WORKS(qubes_storage_volume_stop, source, 0);
  WORKS(qubes_storage_volume_import_volume, volume, source, NULL, NULL, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "two"));
  CHECK_U64(revisions_of(volume), 1);
  WORKS(qubes_storage_volume_import_volume, volume, volume, NULL, NULL, 0); /* itself: no harm */
  CHECK(has_text(image_of(volume, ".img"), 0, "two"));
  qubes_storage_volume_unref(absent);
  qubes_storage_volume_unref(volume);
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

const struct test import_tests[] = {
    {"import_by_hand", import_by_hand},           {"import_excludes", import_excludes},
    {"import_makes_volume", import_makes_volume}, {"import_fd_refusals", import_fd_refusals},
    {"import_fd_file", import_fd_file},           {"import_fd_pipe", import_fd_pipe},
    {"import_from_volume", import_from_volume},   {NULL, NULL},
};
