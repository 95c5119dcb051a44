/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The building blocks: clone, create, resize, refresh, and whether blocks can be shared. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

#define KEEP_MTIME QUBES_STORAGE_CLONE_KEEP_MTIME
#define SAME_SIZE QUBES_STORAGE_UNKNOWN

static struct stat status_of(const char* path) {
  struct stat status;
  if (stat(path, &status) == -1) die(path);
  return status;
}

static void clone_works(void) {
  int32_t reflinked = 77;
  make_file(place("source"), 64 * kKiB + 3, "content");
  WORKS(qubes_storage_file_clone, place("source"), place("target"), SAME_SIZE, 0, &reflinked);
  CHECK_I64(reflinked, has_reflink);
  CHECK(has_text(place("target"), 0, "content"));
  CHECK_U64(size_of(place("target")), 64 * kKiB + 3);
  CHECK_I64(status_of(place("target")).st_mode & 07777, 0600);
  make_file(place("target"), 10, "old");
  CHECK_I64(chmod(place("target"), 0644), 0);
  const ino_t old = inode_of(place("target"));
  WORKS(qubes_storage_file_clone, place("source"), place("target"), 4, 0, NULL);
  CHECK_U64(size_of(place("target")), 4); /* smaller */
  CHECK(inode_of(place("target")) != old);
  CHECK_I64(status_of(place("target")).st_mode & 07777, 0600);
  WORKS(qubes_storage_file_clone, place("source"), place("target"), kMiB, KEEP_MTIME, NULL);
  CHECK_U64(size_of(place("target")), kMiB); /* larger */
  const struct stat source = status_of(place("source"));
  const struct stat target = status_of(place("target"));
  CHECK(source.st_mtim.tv_sec == target.st_mtim.tv_sec);
  CHECK(source.st_mtim.tv_nsec == target.st_mtim.tv_nsec);
  WORKS(qubes_storage_file_clone, place("source"), place("new/target"), 0, 0, NULL);
  CHECK_U64(size_of(place("new/target")), 0); /* the parent was made */
  WORKS(qubes_storage_file_clone, place("source"), place("more//target"), 0, 0, NULL);
  CHECK(is_there(place("more/target"))); /* as the kernel takes it */
  WORKS(qubes_storage_file_clone, place("source"), place("source"), SAME_SIZE, 0, NULL);
  CHECK(has_text(place("source"), 0, "content"));
}

static void clone_refusals(void) {
  int32_t reflinked = 77;
  make_file(place("file"), 10, "content");
  make_directory(place("directory"));
  CHECK_I64(symlink("file", place("link")), 0);
  CHECK_I64(mkfifo(place("fifo"), 0600), 0);
  char* before = listing(place(""));
  for (int bit = 1; bit < 32; ++bit) {
    FAILS(BAD("flags"), qubes_storage_file_clone, place("file"), place("new/x"), 0,
          (uint32_t)1 << bit | KEEP_MTIME, &reflinked);
  }
  FAILS(BAD("size_bytes"), qubes_storage_file_clone, place("file"), place("new/x"),
        (uint64_t)INT64_MAX + 1, 0, &reflinked);
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_file_clone, place("absent"), place("new/x"),
        SAME_SIZE, 0, &reflinked);
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_file_clone, place("file"), place("a/b/x"),
        SAME_SIZE, 0, &reflinked);
  const char* const not_regular[] = {"directory", "link", "fifo", "file/x"};
  for (size_t i = 0; i < sizeof not_regular / sizeof not_regular[0]; ++i) {
    FAILS(CODE(CORRUPT), qubes_storage_file_clone, place(not_regular[i]), place("new"), SAME_SIZE,
          0, &reflinked);
    FAILS(CODE(CORRUPT), qubes_storage_file_clone, place("file"), place(not_regular[i]), SAME_SIZE,
          0, &reflinked);
  }
  const char* const no_file[] = {"", "/", ".", "..", "x/", "x/.", "x/.."};
  for (size_t i = 0; i < sizeof no_file / sizeof no_file[0]; ++i) {
    CHECK_I64(qubes_storage_file_clone(no_file[i], place("new"), SAME_SIZE, 0, NULL, NULL),
              QUBES_STORAGE_INVALID);
    CHECK_I64(qubes_storage_file_clone(place("file"), no_file[i], SAME_SIZE, 0, NULL, NULL),
              QUBES_STORAGE_INVALID);
  }
  CHECK_I64(reflinked, 77);
  CHECK(is_unchanged(place(""), before));
}

static void sparse_files(void) {
  WORKS(qubes_storage_file_create_sparse, place("new/file"), 3 * kMiB + 1);
  CHECK_U64(size_of(place("new/file")), 3 * kMiB + 1);
  CHECK_U64(allocated(place("new/file")), 0);
  write_text(place("new/file"), 0, "content");
  WORKS(qubes_storage_file_create_sparse, place("new/file"), 0); /* replaced */
  CHECK_U64(size_of(place("new/file")), 0);
  WORKS(qubes_storage_file_create_sparse, place("new/file"), 4096);
  write_text(place("new/file"), 0, "content");
  WORKS(qubes_storage_file_resize, place("new/file"), kMiB);
  CHECK(has_text(place("new/file"), 0, "content\0"));
  CHECK_U64(size_of(place("new/file")), kMiB);
  WORKS(qubes_storage_file_resize, place("new/file"), 3);
  CHECK_U64(size_of(place("new/file")), 3);
  char* before = listing(place(""));
  FAILS(BAD("size_bytes"), qubes_storage_file_create_sparse, place("x"), SAME_SIZE);
  FAILS(BAD("size_bytes"), qubes_storage_file_resize, place("new/file"), SAME_SIZE);
  FAILS(BAD("size_bytes"), qubes_storage_file_resize, place("new/file"), (uint64_t)INT64_MAX + 1);
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_file_resize, place("absent"), 0);
  FAILS(CODE(CORRUPT), qubes_storage_file_resize, place("new"), 0);
  FAILS(CODE(CORRUPT), qubes_storage_file_create_sparse, place("new"), 0);
  FAILS(CODE(INVALID), qubes_storage_file_resize, "", 0);
  FAILS(CODE(INVALID), qubes_storage_file_create_sparse, "", 0);
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_loop_refresh, place("absent"));
  FAILS(CODE(CORRUPT), qubes_storage_loop_refresh, place("new"));
  FAILS(CODE(INVALID), qubes_storage_loop_refresh, "");
  CHECK(is_unchanged(place(""), before));
  WORKS(qubes_storage_loop_refresh, place("new/file")); /* none there: nothing to do */
}

/* Larger than the filesystem can: refused as such, and nothing is left of it. */
static void sizes_beyond_the_filesystem(void) {
  make_file(place("file"), 10, "content");
  char* before = listing(place(""));
  const int32_t code = qubes_storage_file_create_sparse(place("x"), INT64_MAX, NULL);
  CHECK(code == QUBES_STORAGE_OK || code == QUBES_STORAGE_INVALID);
  if (code == QUBES_STORAGE_OK) {
    CHECK_U64(size_of(place("x")), INT64_MAX);
    unlink(place("x"));
  } else {
    FAILS(KERNEL(INVALID, EFBIG), qubes_storage_file_resize, place("file"), INT64_MAX);
    FAILS(KERNEL(INVALID, EFBIG), qubes_storage_file_clone, place("file"), place("x"), INT64_MAX, 0,
          NULL);
  }
  CHECK(is_unchanged(place(""), before));
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, "appvms/a/b", &volatile_kind);
  if (code != QUBES_STORAGE_OK) {
    WORKS(qubes_storage_volume_resize, volume, INT64_MAX, 0); /* nominal */
    FAILS(KERNEL(INVALID, EFBIG), qubes_storage_volume_start, volume, 0);
    CHECK(!volume_is_started(volume));
    WORKS(qubes_storage_volume_stop, volume, 0);
  }
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void long_paths(void) {
  char path[10001];
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  path[0] = '/';
  char* before = listing(place(""));
  FAILS(KERNEL(INVALID, ENAMETOOLONG), qubes_storage_file_clone, path, place("x"), 0, 0, NULL);
  FAILS(KERNEL(INVALID, ENAMETOOLONG), qubes_storage_file_create_sparse, path, 0);
  FAILS(KERNEL(INVALID, ENAMETOOLONG), qubes_storage_file_resize, path, 0);
  FAILS(KERNEL(INVALID, ENAMETOOLONG), qubes_storage_loop_refresh, path);
  int32_t supported = 77;
  FAILS(KERNEL(INVALID, ENAMETOOLONG), qubes_storage_reflink_supported, path, NULL, &supported);
  CHECK_I64(supported, 77);
  CHECK(is_unchanged(place(""), before));
}

static void reflink_is_tried(void) {
  int32_t supported = 77;
  char* before = listing(place(""));
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_reflink_supported, place("absent"), NULL,
        &supported);
  FAILS(KERNEL(NOT_FOUND, ENOENT), qubes_storage_reflink_supported, root, place("absent"),
        &supported);
  FAILS(CODE(NOT_FOUND), qubes_storage_reflink_supported, "", NULL, &supported);
  CHECK_I64(supported, 77);
  WORKS(qubes_storage_reflink_supported, place(""), NULL, &supported);
  CHECK_I64(supported, has_reflink);
  WORKS(qubes_storage_reflink_supported, place(""), root, &supported);
  CHECK_I64(supported, has_reflink);
  WORKS(qubes_storage_reflink_supported, place(""), "/dev/shm", &supported);
  CHECK_I64(supported, 0); /* across filesystems */
  CHECK(is_unchanged(place(""), before));
}

const struct test block_tests[] = {
    {"clone_works", clone_works},
    {"clone_refusals", clone_refusals},
    {"sparse_files", sparse_files},
    {"sizes_beyond_the_filesystem", sizes_beyond_the_filesystem},
    {"long_paths", long_paths},
    {"reflink_is_tried", reflink_is_tried},
    {NULL, NULL},
};
