/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Information, revisions, prune, and the two properties that can be set. */
#include <time.h>

#include "check.h"
#include "fixture.h"

#define VID "appvms/work/private"

static qubes_storage_volume_info* info_of(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = NULL;
  WORKS(qubes_storage_volume_get_info, volume, &info);
  return info;
}

static void info_of_nothing(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = NULL;
  WORKS(qubes_storage_pool_volume, pool, VID, NULL, &volume); /* the defaults */
  qubes_storage_volume_info* info = info_of(volume);
  CHECK_TEXT(qubes_storage_volume_info_vid(info), VID);
  CHECK_TEXT(qubes_storage_volume_info_path(info), qubes_storage_volume_path(volume));
  CHECK_U64(qubes_storage_volume_info_size_bytes(info), 0);
  CHECK_U64(qubes_storage_volume_info_nominal_size_bytes(info), 0);
  CHECK_U64(qubes_storage_volume_info_usage_bytes(info), QUBES_STORAGE_UNKNOWN);
  CHECK_I64(qubes_storage_volume_info_rw(info), 0);
  CHECK_I64(qubes_storage_volume_info_save_on_stop(info), 0);
  CHECK_I64(qubes_storage_volume_info_snap_on_start(info), 0);
  CHECK_I64(qubes_storage_volume_info_revisions_to_keep(info), 1); /* the pool's */
  CHECK_I64(qubes_storage_volume_info_ephemeral(info), 0);
  CHECK_TEXT(qubes_storage_volume_info_source(info), NULL);
  CHECK_I64(qubes_storage_volume_info_is_started(info), 0);
  CHECK_I64(qubes_storage_volume_info_is_dirty(info), 0);
  CHECK_I64(qubes_storage_volume_info_is_outdated(info), 0);
  qubes_storage_volume_info_unref(info);
  CHECK_U64(revisions_of(volume), 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void info_of_kinds(void) {
  const struct kind* const kinds[] = {&origin_kind, &origin_snapshot_kind, &snapshot_kind,
                                      &volatile_kind};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* source = new_origin(pool, SOURCE, "one");
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, VID, kinds[i]);
    WORKS(qubes_storage_volume_create, volume, 0);
    WORKS(qubes_storage_volume_start, volume, 0);
    qubes_storage_volume_info* info = info_of(volume);
    CHECK_I64(qubes_storage_volume_info_rw(info), 1);
    CHECK_I64(qubes_storage_volume_info_save_on_stop(info), kinds[i]->save_on_stop);
    CHECK_I64(qubes_storage_volume_info_snap_on_start(info), kinds[i]->source != NULL);
    CHECK_TEXT(qubes_storage_volume_info_source(info), kinds[i]->source);
    CHECK_U64(qubes_storage_volume_info_size_bytes(info), SIZE_OF_VOLUME);
    CHECK_U64(qubes_storage_volume_info_nominal_size_bytes(info), SIZE_OF_VOLUME);
    CHECK_U64(qubes_storage_volume_info_usage_bytes(info),
              allocated(qubes_storage_volume_path(volume)));
    CHECK_I64(qubes_storage_volume_info_is_started(info), 1);
    CHECK_I64(qubes_storage_volume_info_is_dirty(info), kinds[i]->save_on_stop);
    WORKS(qubes_storage_volume_stop, volume, 0);
    CHECK_I64(qubes_storage_volume_info_is_started(info), 1); /* as it was */
    qubes_storage_volume_info_unref(info);
    info = info_of(volume);
    CHECK_I64(qubes_storage_volume_info_is_started(info), 0);
    CHECK_I64(qubes_storage_volume_info_is_dirty(info), 0);
    CHECK((qubes_storage_volume_info_usage_bytes(info) == QUBES_STORAGE_UNKNOWN) ==
          !kinds[i]->save_on_stop);
    qubes_storage_volume_info_unref(info);
    WORKS(qubes_storage_volume_remove, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_volume_unref(source);
  qubes_storage_pool_unref(pool);
}

static void revision_list(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "0");
  const int64_t second = 1000000000;
  const int64_t now = (int64_t)time(NULL) * second;
  static const char* const texts[] = {"1", "2", "3", "4"};
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 3);
  for (int i = 0; i < 4; ++i) run_session(volume, texts[i]);
  WORKS(qubes_storage_volume_resize, volume, 2 * kMiB, 0);
  qubes_storage_revisions* revisions = NULL;
  WORKS(qubes_storage_volume_get_revisions, volume, &revisions);
  CHECK_U64(qubes_storage_revisions_count(revisions), 3);
  for (size_t i = 0; i < 3; ++i) {
    const int64_t created = qubes_storage_revisions_created_ns(revisions, i);
    CHECK_U64(qubes_storage_revisions_number(revisions, i), i + 2);
    CHECK_U64(qubes_storage_revisions_size_bytes(revisions, i), SIZE_OF_VOLUME);
    CHECK(created >= now - 60 * second && created <= now + 300 * second);
    CHECK_I64(created % second, 0);
  }
  CHECK_U64(qubes_storage_revisions_number(revisions, 3), 0);
  CHECK_I64(qubes_storage_revisions_created_ns(revisions, 3), 0);
  CHECK_U64(qubes_storage_revisions_size_bytes(revisions, SIZE_MAX), 0);
  qubes_storage_revisions_unref(revisions);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void prune_revisions(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "0");
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 3);
  run_session(volume, "1");
  run_session(volume, "2");
  run_session(volume, "3");
  CHECK_U64(revisions_of(volume), 3);
  WORKS(qubes_storage_pool_drain, pool);
  char* before = listing(place("pool"));
  FAILS(CODE(INVALID), qubes_storage_volume_prune, volume, -1, 0);
  FAILS(CODE(INVALID), qubes_storage_volume_prune, volume, INT32_MIN, 0);
  WORKS(qubes_storage_volume_prune, volume, INT32_MAX, 0);
  WORKS(qubes_storage_volume_prune, volume, 3, 0);
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 1); /* removes nothing of itself */
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_prune, volume, 2, 0);
  CHECK_U64(revisions_of(volume), 2);
  CHECK_U64(newest_revision(volume), 3); /* the oldest go first */
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_prune, volume, 0, 0); /* with a session as well */
  CHECK_U64(revisions_of(volume), 0);
  CHECK(volume_is_started(volume));
  WORKS(qubes_storage_volume_stop, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "3"));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void keep_none(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "0");
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 2);
  run_session(volume, "1");
  run_session(volume, "2");
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 0);
  CHECK_U64(revisions_of(volume), 2);
  run_session(volume, "3"); /* the next commit removes them */
  CHECK_U64(revisions_of(volume), 0);
  FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_revert, volume, 0, 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void setters(void) {
  const struct kind* const others[] = {&volatile_kind, &snapshot_kind, &origin_snapshot_kind};
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, VID, "0");
  qubes_storage_volume* again = new_volume(pool, VID, &origin_kind);
  char* before = listing(place("pool"));
  FAILS(BAD("rw"), qubes_storage_volume_set_rw, volume, 2);
  FAILS(BAD("rw"), qubes_storage_volume_set_rw, volume, -1);
  FAILS(CODE(INVALID), qubes_storage_volume_set_revisions_to_keep, volume, -2);
  FAILS(CODE(INVALID), qubes_storage_volume_set_revisions_to_keep, volume, INT32_MIN);
  WORKS(qubes_storage_volume_set_rw, volume, 0);
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, INT32_MAX);
  qubes_storage_volume_info* info = info_of(volume);
  CHECK_I64(qubes_storage_volume_info_rw(info), 0);
  CHECK_I64(qubes_storage_volume_info_revisions_to_keep(info), INT32_MAX);
  qubes_storage_volume_info_unref(info);
  info = info_of(again); /* each handle has its own */
  CHECK_I64(qubes_storage_volume_info_rw(info), 1);
  CHECK_I64(qubes_storage_volume_info_revisions_to_keep(info), 1);
  qubes_storage_volume_info_unref(info);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_resize, volume, 2 * kMiB, 0);
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, -1);
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 0);
  CHECK(is_unchanged(place("pool"), before));
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 5);
  FAILS(REFUSED(DIRTY), qubes_storage_volume_set_revisions_to_keep, volume, -1);
  WORKS(qubes_storage_volume_discard, volume, 0);
  qubes_storage_volume_unref(again);
  qubes_storage_volume_unref(volume);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
    volume = new_volume(pool, VID, others[i]);
    FAILS(CODE(INVALID), qubes_storage_volume_set_revisions_to_keep, volume, -1);
    WORKS(qubes_storage_volume_set_revisions_to_keep, volume, 3);
    WORKS(qubes_storage_volume_set_rw, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_pool_unref(pool);
}

static void ephemeral_stays_rw(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume_config* config = NULL;
  qubes_storage_volume* volume = NULL;
  WORKS(qubes_storage_volume_config_new, &config);
  WORKS(qubes_storage_volume_config_set_ephemeral, config, 1);
  WORKS(qubes_storage_volume_config_set_rw, config, 1);
  WORKS(qubes_storage_pool_volume, pool, VID, config, &volume);
  qubes_storage_volume_config_unref(config);
  FAILS(REFUSED(INVALID), qubes_storage_volume_set_rw, volume, 0);
  WORKS(qubes_storage_volume_set_rw, volume, 1);
  qubes_storage_volume_info* info = info_of(volume);
  CHECK_I64(qubes_storage_volume_info_ephemeral(info), 1);
  CHECK_I64(qubes_storage_volume_info_rw(info), 1);
  qubes_storage_volume_info_unref(info);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* What is there, but is no regular file. */
static void corrupt_image(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, VID, &origin_kind);
  int fd = 77;
  make_directory(place("pool/appvms/work"));
  make_directory(place("pool/appvms/work/private.img"));
  char* before = listing(place("pool"));
  FAILS(CODE(CORRUPT), qubes_storage_volume_verify, volume);
  FAILS(CODE(CORRUPT), qubes_storage_volume_start, volume, 0);
  FAILS(CODE(CORRUPT), qubes_storage_volume_export_fd, volume, 0, &fd);
  FAILS(CODE(CORRUPT), qubes_storage_volume_revert, volume, 0, 0);
  CHECK(qubes_storage_volume_create(volume, 0, NULL) != QUBES_STORAGE_OK);
  CHECK_I64(fd, 77);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test property_tests[] = {
    {"info_of_nothing", info_of_nothing},
    {"info_of_kinds", info_of_kinds},
    {"revision_list", revision_list},
    {"prune_revisions", prune_revisions},
    {"keep_none", keep_none},
    {"setters", setters},
    {"ephemeral_stays_rw", ephemeral_stays_rw},
    {"corrupt_image", corrupt_image},
    {NULL, NULL},
};
