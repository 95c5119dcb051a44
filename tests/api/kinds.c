/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other kinds: volatile, snapshot, origin_snapshot, and origins with snapshots disabled. */
#include <unistd.h>

#include "check.h"
#include "fixture.h"

#define VID "appvms/work/root"

static int is_outdated(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = NULL;
  WORKS(qubes_storage_volume_get_info, volume, &info);
  const int outdated = qubes_storage_volume_info_is_outdated(info);
  qubes_storage_volume_info_unref(info);
  return outdated;
}

/* What is not saved has no committed state: nothing to go back to, to keep, to read or to import.
 */
static void check_not_saved(qubes_storage_volume* volume) {
  int fd = 77;
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_revert, volume, 1, 0);
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_prune, volume, 0, 0);
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_export_fd, volume, 0, &fd);
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_export_to, volume, 1, NULL, NULL, 0);
  CHECK_I64(fd, 77);
  WORKS(qubes_storage_volume_import_begin, volume, 4096, 0);
  CHECK(!is_there(qubes_storage_volume_import_path(volume)));
  WORKS(qubes_storage_volume_import_end, volume, 1, 0);
  WORKS(qubes_storage_volume_import_end, volume, 0, 0);
  WORKS(qubes_storage_volume_import_fd, volume, 0, 4096, NULL, NULL, 0);
  WORKS(qubes_storage_volume_import_volume, volume, volume, NULL, NULL, 0);
}

static void volatile_volume(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &volatile_kind);
  const char* const path = qubes_storage_volume_path(volume);
  char* before = listing(place("pool"));
  WORKS(qubes_storage_volume_create, volume, 0);
  WORKS(qubes_storage_volume_create, volume, 0);
  WORKS(qubes_storage_volume_verify, volume);
  WORKS(qubes_storage_volume_stop, volume, 0);
  WORKS(qubes_storage_volume_discard, volume, 0);
  check_not_saved(volume);
  CHECK(is_unchanged(place("pool"), before));
  for (int turn = 0; turn < 2; ++turn) {
    WORKS(qubes_storage_volume_start, volume, 0);
    CHECK_U64(size_of(path), SIZE_OF_VOLUME);
    CHECK_U64(allocated(path), 0);
    write_text(path, 0, "gone");
    WORKS(qubes_storage_volume_start, volume, 0); /* a new one */
    CHECK_U64(allocated(path), 0);
    write_text(path, 0, "gone");
    check_not_saved(volume);
    CHECK(has_text(path, 0, "gone"));
    if (turn == 0) WORKS(qubes_storage_volume_stop, volume, 0);
    if (turn == 1) WORKS(qubes_storage_volume_discard, volume, 0);
    CHECK(!is_there(path) && !is_there(image_of(volume, ".img")));
  }
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_remove, volume, 0);
  CHECK(!is_there(place("pool/appvms/work")));
  WORKS(qubes_storage_volume_remove, volume, 0); /* only a saved one has to be there */
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* A volume that was saved must not be lost by a caller who forgets to say so. */
static void origin_taken_for_volatile(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* origin = new_origin(pool, VID, "mine");
  qubes_storage_volume* source = new_origin(pool, SOURCE, "other");
  const struct kind* const kinds[] = {&volatile_kind, &snapshot_kind};
  for (int i = 0; i < 2; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    char* before = listing(place("pool"));
    FAILS(REFUSED(INVALID), qubes_storage_volume_start, volume, 0);
    (void)qubes_storage_volume_stop(volume, 0, NULL); /* refused, or nothing to do */
    (void)qubes_storage_volume_discard(volume, 0, NULL);
    CHECK(is_unchanged(place("pool"), before));
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_volume_unref(source);
  qubes_storage_volume_unref(origin);
  qubes_storage_pool_unref(pool);
}

/* What the library may have made for the next start by now: a precache, and then the second name.
 */
static int is_ended(qubes_storage_volume* volume) {
  if (is_there(qubes_storage_volume_path(volume))) return 0;
  return !is_there(image_of(volume, ".img")) || is_there(image_of(volume, "-precache.img"));
}

static void snapshot_volume(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &snapshot_kind);
  char* before = listing(place("pool"));
  WORKS(qubes_storage_volume_create, volume, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_verify, volume);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_start, volume, 0);
  check_not_saved(volume);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  WORKS(qubes_storage_volume_verify, volume);
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "one"));
  CHECK(inode_of(image_of(volume, ".img")) == inode_of(image_of(source, ".img")));
  write_text(qubes_storage_volume_path(volume), 0, "own");
  CHECK(has_text(image_of(source, ".img"), 0, "one"));
  check_not_saved(volume);
  CHECK(!is_outdated(volume));
  run_session(source, "two");
  CHECK(is_outdated(volume));
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "own"));
  WORKS(qubes_storage_volume_start, volume, 0); /* a new one */
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "two"));
  CHECK(!is_outdated(volume));
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(is_ended(volume));
  CHECK(!is_outdated(volume));
  WORKS(qubes_storage_volume_stop, volume, 0);
  /* The running source is not what a snapshot starts from. */
  WORKS(qubes_storage_volume_start, source, 0);
  write_text(qubes_storage_volume_path(source), 0, "new");
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "two"));
  WORKS(qubes_storage_volume_discard, volume, 0);
  CHECK(is_ended(volume));
  qubes_storage_volume_unref(volume);
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

/* The larger of the nominal size and the source's. */
static void snapshot_sizes(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  const struct kind* const kinds[] = {&snapshot_kind, &origin_snapshot_kind};
  for (int i = 0; i < 2; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    WORKS(qubes_storage_volume_resize, source, SIZE_OF_VOLUME / 2, QUBES_STORAGE_RESIZE_SHRINK);
    CHECK_U64(volume_size(volume), SIZE_OF_VOLUME);
    WORKS(qubes_storage_volume_start, volume, 0);
    CHECK_U64(size_of(qubes_storage_volume_path(volume)), SIZE_OF_VOLUME);
    WORKS(qubes_storage_volume_discard, volume, 0);
    WORKS(qubes_storage_volume_resize, source, SIZE_OF_VOLUME * 2, 0);
    CHECK_U64(volume_size(volume), SIZE_OF_VOLUME * 2);
    WORKS(qubes_storage_volume_start, volume, 0);
    CHECK_U64(size_of(qubes_storage_volume_path(volume)), SIZE_OF_VOLUME * 2);
    WORKS(qubes_storage_volume_discard, volume, 0);
    if (i == 0) WORKS(qubes_storage_volume_remove, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

static void origin_snapshot_volume(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_snapshot_kind);
  char* before = listing(place("pool"));
  int fd = 77;
  WORKS(qubes_storage_volume_create, volume, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_verify, volume);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_start, volume, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_export_fd, volume, 0, &fd);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_remove, volume, 0); /* a saved one, not there */
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  WORKS(qubes_storage_volume_verify, volume);
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "one"));
  write_text(qubes_storage_volume_path(volume), 3, "+");
  WORKS(qubes_storage_volume_start, volume, 0); /* resumed */
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "one+"));
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "one+"));
  run_session(source, "two");
  CHECK(!is_outdated(volume));
  WORKS(qubes_storage_volume_start, volume, 0); /* from the source again */
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "two"));
  CHECK(!is_outdated(volume));
  write_text(qubes_storage_volume_path(volume), 3, "!");
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK_U64(revisions_of(volume), 1);
  WORKS(qubes_storage_volume_revert, volume, 0, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "one+"));
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_discard, volume, 0);
  CHECK(!is_there(qubes_storage_volume_path(volume)));
  CHECK(has_text(image_of(volume, ".img"), 0, "one+"));
  CHECK(has_text(image_of(source, ".img"), 0, "two"));
  WORKS(qubes_storage_volume_remove, volume, 0);
  CHECK(!is_there(place("pool/appvms/work")));
  qubes_storage_volume_unref(volume);
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

static void snapshots_disabled(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* kept = new_origin(pool, SOURCE, "one");
  run_session(kept, "two");
  CHECK_U64(revisions_of(kept), 1);
  qubes_storage_volume_unref(kept);
  qubes_storage_volume* volume = new_volume(pool, SOURCE, &in_place_kind);
  qubes_storage_volume* snapshot = new_volume(pool, VID, &snapshot_kind);
  int fd = 77;
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK_U64(revisions_of(volume), 0);
  CHECK(!is_there(image_of(volume, ".img")) && !is_there(image_of(volume, "-precache.img")));
  write_text(qubes_storage_volume_path(volume), 0, "tri");
  char* before = listing(place("pool"));
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_discard, volume, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_export_fd, volume, 0, &fd);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_export_to, volume, 1, NULL, NULL, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_import_begin, volume, 4096, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_start, snapshot, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_set_revisions_to_keep, volume, 0);
  FAILS(REFUSED(EXISTS), qubes_storage_volume_create, volume, 0);
  WORKS(qubes_storage_volume_verify, volume);
  CHECK_I64(fd, 77);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "tri"));
  CHECK(!is_there(qubes_storage_volume_path(volume)));
  CHECK_U64(revisions_of(volume), 0);
  WORKS(qubes_storage_volume_discard, volume, 0); /* without a session */
  /* Opened anew with another number after a crash: the session is the state, and is not lost. */
  WORKS(qubes_storage_volume_start, volume, 0);
  qubes_storage_volume_unref(volume);
  volume = new_volume(pool, SOURCE, &origin_kind);
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_discard, volume, 0);
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "tri"));
  qubes_storage_volume_unref(snapshot);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* A session in place is alone on its inode: a snapshot keeps the one that it has. */
static void in_place_alone(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, SOURCE, &in_place_kind);
  qubes_storage_volume* snapshot = new_volume(pool, VID, &snapshot_kind);
  int fd = -1;
  WORKS(qubes_storage_volume_create, volume, 0);
  WORKS(qubes_storage_volume_export_fd, volume, 0, &fd);
  char* before = listing(place("pool"));
  FAILS(REFUSED(BUSY), qubes_storage_volume_start, volume, 0);
  CHECK(is_unchanged(place("pool"), before));
  close(fd);
  WORKS(qubes_storage_volume_start, snapshot, 0);
  run_session(volume, "in place");
  CHECK(has_text(image_of(volume, ".img"), 0, "in place"));
  CHECK(has_text(image_of(snapshot, ".img"), 0, ""));
  WORKS(qubes_storage_volume_stop, snapshot, 0);
  qubes_storage_volume_unref(snapshot);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test kind_tests[] = {
    {"volatile_volume", volatile_volume},
    {"origin_taken_for_volatile", origin_taken_for_volatile},
    {"snapshot_volume", snapshot_volume},
    {"snapshot_sizes", snapshot_sizes},
    {"origin_snapshot_volume", origin_snapshot_volume},
    {"snapshots_disabled", snapshots_disabled},
    {"in_place_alone", in_place_alone},
    {NULL, NULL},
};
