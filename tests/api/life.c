/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of an origin: create, verify, start, stop, discard, revert, remove. */
#include "check.h"
#include "fixture.h"

#define VID "appvms/work/private"

static void unknown_flags(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  char* before = listing(place("pool"));
  int fd = 77;
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t flags = (uint32_t)1 << bit;
    FAILS(BAD("flags"), qubes_storage_volume_create, volume, flags);
    FAILS(BAD("flags"), qubes_storage_volume_remove, volume, flags);
    FAILS(BAD("flags"), qubes_storage_volume_start, volume, flags);
    FAILS(BAD("flags"), qubes_storage_volume_stop, volume, flags);
    FAILS(BAD("flags"), qubes_storage_volume_discard, volume, flags);
    FAILS(BAD("flags"), qubes_storage_volume_revert, volume, 0, flags);
    FAILS(BAD("flags"), qubes_storage_volume_resize, volume, 4096, flags | 2);
    FAILS(BAD("flags"), qubes_storage_volume_import_begin, volume, 0, flags);
    FAILS(BAD("flags"), qubes_storage_volume_import_end, volume, 1, flags);
    FAILS(BAD("flags"), qubes_storage_volume_import_volume, volume, volume, NULL, NULL, flags);
    FAILS(BAD("flags"), qubes_storage_volume_import_fd, volume, 0, 0, NULL, NULL, flags);
    FAILS(BAD("flags"), qubes_storage_volume_export_fd, volume, flags, &fd);
    FAILS(BAD("flags"), qubes_storage_volume_export_to, volume, 1, NULL, NULL, flags);
    FAILS(BAD("flags"), qubes_storage_volume_prune, volume, 0, flags);
  }
  CHECK_I64(fd, 77);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void create_and_remove(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  CHECK_TEXT(qubes_storage_volume_vid(volume), VID);
  CHECK_TEXT(qubes_storage_volume_path(volume), place("pool/appvms/work/private-dirty.img"));
  CHECK_TEXT(qubes_storage_volume_import_path(volume),
             place("pool/appvms/work/private-import.img"));
  char* before = listing(place("pool"));
  WORKS(qubes_storage_volume_create, volume, 0);
  CHECK_U64(size_of(image_of(volume, ".img")), SIZE_OF_VOLUME);
  CHECK_U64(allocated(image_of(volume, ".img")), 0);
  WORKS(qubes_storage_volume_verify, volume);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK_I64(is_there(image_of(volume, "-precache.img")), has_reflink);
  char* created = listing(place("pool"));
  FAILS(REFUSED_AT(EXISTS, NULL, VID), qubes_storage_volume_create, volume, 0);
  CHECK(is_unchanged(place("pool"), created));
  run_session(volume, "one");
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_remove, volume, 0); /* image, session, revision and directory */
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(is_unchanged(place("pool"), before));
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_remove, volume, 0);
  /* A directory with something of others in it stays. */
  WORKS(qubes_storage_volume_create, volume, 0);
  make_file(place("pool/appvms/work/notes.txt"), 0, NULL);
  WORKS(qubes_storage_volume_remove, volume, 0);
  CHECK(is_there(place("pool/appvms/work/notes.txt")));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* All that is asked of a saved volume of which nothing is there. */
static void not_there(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  char* before = listing(place("pool"));
  for (int turn = 0; turn < 2; ++turn) {
    int fd = 77;
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_verify, volume);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_start, volume, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_stop, volume, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_discard, volume, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_revert, volume, 0, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_revert, volume, 1, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_resize, volume, 2 * kMiB, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_export_fd, volume, 0, &fd);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_export_to, volume, 1, NULL, NULL, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_import_end, volume, 1, 0);
    FAILS(CODE(NOT_FOUND), qubes_storage_volume_import_end, volume, 0, 0);
    CHECK_I64(fd, 77);
    CHECK_U64(revisions_of(volume), 0);
    CHECK_U64(volume_size(volume), SIZE_OF_VOLUME);
    CHECK(is_unchanged(place("pool"), before));
    make_directory(place("pool/appvms/work")); /* and the same with an empty directory */
    before = listing(place("pool"));
  }
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void sessions(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  WORKS(qubes_storage_volume_stop, volume, 0); /* without a session: nothing to do */
  WORKS(qubes_storage_volume_discard, volume, 0);
  WORKS(qubes_storage_volume_start, volume, 0);
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "one"));
  write_text(qubes_storage_volume_path(volume), 0, "two");
  WORKS(qubes_storage_volume_start, volume, 0); /* resumed */
  qubes_storage_volume* again = new_volume(pool, VID, &origin_kind);
  WORKS(qubes_storage_volume_start, again, 0);
  qubes_storage_volume_unref(again);
  CHECK(has_text(qubes_storage_volume_path(volume), 0, "two"));
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  WORKS(qubes_storage_volume_verify, volume);
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(!is_there(qubes_storage_volume_path(volume)));
  CHECK(has_text(image_of(volume, ".img"), 0, "two"));
  CHECK_U64(revisions_of(volume), 1);
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK_U64(revisions_of(volume), 1);
  /* A session in which nothing was written leaves no revision. */
  WORKS(qubes_storage_pool_drain, pool);
  const uint64_t number = newest_revision(volume);
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK_U64(newest_revision(volume), number);
  WORKS(qubes_storage_volume_start, volume, 0);
  write_text(qubes_storage_volume_path(volume), 0, "bad");
  WORKS(qubes_storage_volume_discard, volume, 0);
  CHECK(!is_there(qubes_storage_volume_path(volume)));
  CHECK(has_text(image_of(volume, ".img"), 0, "two"));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* A session is all there is: what a crash on a filesystem may leave, or a user's hand. */
static void session_alone(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  make_directory(place("pool/appvms/work"));
  make_file(qubes_storage_volume_path(volume), 4096, "all");
  char* before = listing(place("pool"));
  int fd = 77;
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_volume_discard, volume, 0);
  FAILS(REFUSED(EXISTS), qubes_storage_volume_create, volume, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_import_begin, volume, 4096, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_export_fd, volume, 0, &fd);
  CHECK_I64(fd, 77);
  CHECK(is_unchanged(place("pool"), before));
  CHECK_U64(volume_size(volume), 4096);
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "all"));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void reverts(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "one");
  char* before = listing(place("pool"));
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_revert, volume, 1, 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_revert, volume, UINT64_MAX, 0);
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 2);
  run_session(volume, "two");
  run_session(volume, "tri");
  CHECK_U64(revisions_of(volume), 2);
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_pool_drain, pool);
  before = listing(place("pool"));
  FAILS(REFUSED(DIRTY), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_revert, volume, 1, 0);
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_discard, volume, 0);
  WORKS(qubes_storage_volume_revert, volume, 0, 0); /* the newest that differs */
  CHECK(has_text(image_of(volume, ".img"), 0, "two"));
  const uint64_t undo = newest_revision(volume); /* the state before, kept */
  CHECK(undo > 2);
  WORKS(qubes_storage_volume_revert, volume, undo, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "tri"));
  WORKS(qubes_storage_volume_revert, volume, 1, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  /* Kept also where none is to be kept. */
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 0);
  const size_t count = revisions_of(volume);
  WORKS(qubes_storage_volume_revert, volume, 0, 0);
  CHECK_U64(revisions_of(volume), count);
  CHECK(newest_revision(volume) > undo);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test life_tests[] = {
    {"unknown_flags", unknown_flags},
    {"create_and_remove", create_and_remove},
    {"not_there", not_there},
    {"sessions", sessions},
    {"session_alone", session_alone},
    {"reverts", reverts},
    {NULL, NULL},
};
