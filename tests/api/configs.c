/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configurations of pools and volumes: defaults, bounds, what contradicts itself. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static qubes_storage_pool_info* pool_info_of(const qubes_storage_pool_config* config) {
  qubes_storage_pool* pool = NULL;
  qubes_storage_pool_info* info = NULL;
  WORKS(qubes_storage_pool_open, config, &pool);
  WORKS(qubes_storage_pool_get_info, pool, &info);
  qubes_storage_pool_unref(pool);
  return info;
}

static void pool_config_defaults(void) {
  qubes_storage_pool_config* config = NULL;
  WORKS(qubes_storage_pool_config_new, place("absent"), &config);
  qubes_storage_pool_info* info = pool_info_of(config);
  CHECK_TEXT(qubes_storage_pool_info_name(info), "");
  CHECK_TEXT(qubes_storage_pool_info_dir_path(info), place("absent"));
  CHECK_I64(qubes_storage_pool_info_kind(info), QUBES_STORAGE_POOL_REFLINK);
  CHECK_I64(qubes_storage_pool_info_revisions_to_keep(info), 1);
  qubes_storage_pool_info_unref(info);
  qubes_storage_pool_config_unref(config);
}

static void pool_config_setters(void) {
  qubes_storage_pool_config* config = NULL;
  WORKS(qubes_storage_pool_config_new, place("absent"), &config);
  CHECK(qubes_storage_pool_config_ref(config) == config);
  qubes_storage_pool_config_unref(config);
  char name[] = "a label\n\xff";
  WORKS(qubes_storage_pool_config_set_name, config, name);
  name[0] = 'X'; /* it was copied */
  WORKS(qubes_storage_pool_config_set_kind, config, QUBES_STORAGE_POOL_KERNELS);
  WORKS(qubes_storage_pool_config_set_revisions_to_keep, config, 7);
  FAILS(BAD("kind"), qubes_storage_pool_config_set_kind, config, 2);
  FAILS(BAD("kind"), qubes_storage_pool_config_set_kind, config, -1);
  FAILS(BAD("revisions_to_keep"), qubes_storage_pool_config_set_revisions_to_keep, config, -2);
  FAILS(BAD("revisions_to_keep"), qubes_storage_pool_config_set_revisions_to_keep, config,
        INT32_MIN);
  FAILS(BAD("setup_check"), qubes_storage_pool_config_set_setup_check, config, 2);
  FAILS(BAD("setup_check"), qubes_storage_pool_config_set_setup_check, config, -1);
  FAILS(BAD("precache"), qubes_storage_pool_config_set_precache, config, 2);
  FAILS(BAD("precache"), qubes_storage_pool_config_set_precache, config, -1);
  qubes_storage_pool_info* info = pool_info_of(config);
  CHECK_TEXT(qubes_storage_pool_info_name(info), "a label\n\xff");
  CHECK_I64(qubes_storage_pool_info_kind(info), QUBES_STORAGE_POOL_KERNELS);
  CHECK_I64(qubes_storage_pool_info_revisions_to_keep(info), 7);
  WORKS(qubes_storage_pool_config_set_name, config, "another");
  CHECK_TEXT(qubes_storage_pool_info_name(info), "a label\n\xff");
  qubes_storage_pool_info_unref(info);
  WORKS(qubes_storage_pool_config_set_revisions_to_keep, config, INT32_MAX);
  WORKS(qubes_storage_pool_config_set_revisions_to_keep, config, -1);
  WORKS(qubes_storage_pool_config_set_setup_check, config, 0);
  WORKS(qubes_storage_pool_config_set_precache, config, 0);
  qubes_storage_pool_config_unref(config);
}

static const char* long_text(size_t length) {
  static char text[10001];
  memset(text, 'x', sizeof text);
  text[length] = '\0';
  return text;
}

static void pool_config_prefixes(void) {
  static const char* const wrong[] = {"", ".", "..", "/", "a/b", "a/", "/a", "a\n", "\x1b", "\x7f"};
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  qubes_storage_volume* volume = UNTOUCHED;
  WORKS(qubes_storage_pool_config_new, place("pool"), &config);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    FAILS(REFUSED(INVALID), qubes_storage_pool_config_add_prefix, config, wrong[i]);
  }
  FAILS(REFUSED(INVALID), qubes_storage_pool_config_add_prefix, config, long_text(256));
  FAILS(REFUSED(INVALID), qubes_storage_pool_config_add_prefix, config, long_text(10000));
  WORKS(qubes_storage_pool_open, config, &pool);
  WORKS(qubes_storage_pool_config_add_prefix, config, "more");
  WORKS(qubes_storage_pool_config_add_prefix, config, "more"); /* no harm */
  WORKS(qubes_storage_pool_config_add_prefix, config, "appvms");
  WORKS(qubes_storage_pool_config_add_prefix, config, long_text(255));
  /* The pool has a copy from before. */
  FAILS(REFUSED(INVALID), qubes_storage_pool_volume, pool, "more/a/b", NULL, &volume);
  CHECK(volume == UNTOUCHED);
  qubes_storage_pool_unref(pool);
  WORKS(qubes_storage_pool_config_set_setup_check, config, 0);
  WORKS(qubes_storage_pool_open, config, &pool);
  WORKS(qubes_storage_pool_setup, pool);
  CHECK(is_there(place("pool/more")) && is_there(place("pool/appvms")));
  CHECK(is_there(joined(place("pool"), long_text(255))));
  WORKS(qubes_storage_pool_volume, pool, "more/a/b", NULL, &volume);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
  qubes_storage_pool_config_unref(config);
}

/* Absolute against the current directory of that moment, by the words alone. */
static void pool_config_relative_path(void) {
  static const char* const spellings[] = {"pool",   "./pool",    "pool/",
                                          "pool//", "x/../pool", "pool/."};
  char before[4096];
  CHECK(getcwd(before, sizeof before) != NULL);
  CHECK_I64(chdir(place("")), 0);
  for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; ++i) {
    qubes_storage_pool_config* config = NULL;
    WORKS(qubes_storage_pool_config_new, spellings[i], &config);
    CHECK_I64(chdir("/"), 0);
    qubes_storage_pool_info* info = pool_info_of(config);
    CHECK_TEXT(qubes_storage_pool_info_dir_path(info), place("pool"));
    CHECK_I64(chdir(place("")), 0);
    qubes_storage_pool_info_unref(info);
    qubes_storage_pool_config_unref(config);
  }
  CHECK_I64(mkdir(place("removed"), 0700), 0);
  CHECK_I64(chdir(place("removed")), 0);
  CHECK_I64(rmdir(place("removed")), 0);
  qubes_storage_pool_config* config = NULL;
  FAILS(((struct failure){QUBES_STORAGE_NOT_FOUND, ENOENT, "find the current directory for", "x"}),
        qubes_storage_pool_config_new, "x", &config);
  CHECK_I64(chdir(before), 0);
}

static void volume_config_bounds(void) {
  qubes_storage_volume_config* config = NULL;
  WORKS(qubes_storage_volume_config_new, &config);
  WORKS(qubes_storage_volume_config_set_size, config, INT64_MAX);
  FAILS(BAD("size_bytes"), qubes_storage_volume_config_set_size, config, (uint64_t)INT64_MAX + 1);
  FAILS(BAD("size_bytes"), qubes_storage_volume_config_set_size, config, QUBES_STORAGE_UNKNOWN);
  for (int32_t wrong = -1; wrong <= 2; wrong += 3) {
    FAILS(BAD("rw"), qubes_storage_volume_config_set_rw, config, wrong);
    FAILS(BAD("save_on_stop"), qubes_storage_volume_config_set_save_on_stop, config, wrong);
    FAILS(BAD("snap_on_start"), qubes_storage_volume_config_set_snap_on_start, config, wrong);
    FAILS(BAD("ephemeral"), qubes_storage_volume_config_set_ephemeral, config, wrong);
  }
  FAILS(BAD("revisions_to_keep"), qubes_storage_volume_config_set_revisions_to_keep, config, -2);
  FAILS(BAD("revisions_to_keep"), qubes_storage_volume_config_set_revisions_to_keep, config,
        INT32_MIN);
  WORKS(qubes_storage_volume_config_set_revisions_to_keep, config, INT32_MAX);
  qubes_storage_volume_config_unref(config);
}

struct attempt {
  int32_t rw, save_on_stop, snap_on_start, ephemeral, revisions_to_keep;
  const char* source;
  int32_t code;
};

static void volume_config_contradictions(void) {
  static const char* const other = "appvms/work/root";
  const struct attempt attempts[] = {
      {0, 0, 1, 0, 1, NULL, QUBES_STORAGE_INVALID},                  /* no source */
      {0, 0, 1, 0, 1, "", QUBES_STORAGE_INVALID},                    /* no source */
      {0, 1, 0, 0, 1, other, QUBES_STORAGE_INVALID},                 /* a source without use */
      {0, 0, 0, 0, 1, other, QUBES_STORAGE_INVALID},                 /* a source without use */
      {0, 0, 1, 0, 1, "appvms/work/private", QUBES_STORAGE_INVALID}, /* itself */
      {0, 0, 1, 0, 1, "appvms/../root", QUBES_STORAGE_INVALID},
      {0, 0, 1, 0, 1, "strange/work/root", QUBES_STORAGE_INVALID},
      {0, 0, 1, 0, 1, "/appvms/work/root", QUBES_STORAGE_INVALID},
      {0, 0, 0, 1, 1, NULL, QUBES_STORAGE_INVALID},   /* ephemeral and not rw */
      {1, 1, 0, 1, 1, NULL, QUBES_STORAGE_INVALID},   /* ephemeral and saved */
      {1, 0, 1, 1, 1, other, QUBES_STORAGE_INVALID},  /* ephemeral and a snapshot */
      {1, 0, 0, 0, -1, NULL, QUBES_STORAGE_INVALID},  /* -1 and volatile */
      {1, 0, 1, 0, -1, other, QUBES_STORAGE_INVALID}, /* -1 and a snapshot */
      {1, 1, 1, 0, -1, other, QUBES_STORAGE_INVALID}, /* -1 and an origin_snapshot */
      {1, 0, 0, 1, 0, NULL, QUBES_STORAGE_OK},
      {1, 1, 0, 0, -1, NULL, QUBES_STORAGE_OK},
      {1, 1, 1, 0, 0, other, QUBES_STORAGE_OK},
      {0, 0, 1, 0, 1, "vm-templates/debian/root", QUBES_STORAGE_OK},
  };
  qubes_storage_pool* pool = open_pool();
  for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; ++i) {
    const struct attempt* const a = &attempts[i];
    qubes_storage_volume_config* config = NULL;
    qubes_storage_volume* volume = UNTOUCHED;
    WORKS(qubes_storage_volume_config_new, &config);
    WORKS(qubes_storage_volume_config_set_rw, config, a->rw);
    WORKS(qubes_storage_volume_config_set_save_on_stop, config, a->save_on_stop);
    WORKS(qubes_storage_volume_config_set_snap_on_start, config, a->snap_on_start);
    WORKS(qubes_storage_volume_config_set_ephemeral, config, a->ephemeral);
    WORKS(qubes_storage_volume_config_set_revisions_to_keep, config, a->revisions_to_keep);
    if (a->source != NULL) WORKS(qubes_storage_volume_config_set_source, config, a->source);
    const int32_t code =
        qubes_storage_pool_volume(pool, "appvms/work/private", config, &volume, NULL);
    if (!CHECK_I64(code, a->code)) CHECK_U64(i, SIZE_MAX);
    CHECK((volume == UNTOUCHED) == (code != QUBES_STORAGE_OK));
    if (code == QUBES_STORAGE_OK) qubes_storage_volume_unref(volume);
    qubes_storage_volume_config_unref(config);
  }
  CHECK(!is_there(place("pool"))); /* the disk is not touched */
  qubes_storage_pool_unref(pool);
}

const struct test config_tests[] = {
    {"pool_config_defaults", pool_config_defaults},
    {"pool_config_setters", pool_config_setters},
    {"pool_config_prefixes", pool_config_prefixes},
    {"pool_config_relative_path", pool_config_relative_path},
    {"volume_config_bounds", volume_config_bounds},
    {"volume_config_contradictions", volume_config_contradictions},
    {NULL, NULL},
};
