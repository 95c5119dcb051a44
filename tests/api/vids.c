/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile vids: what could leave the pool or pass for another file is refused, the rest is used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

static void hostile_vids(void) {
  static const char* const wrong[] = {
      "",
      "/",
      "//",
      "///",
      "appvms",
      "appvms/",
      "appvms/work",
      "appvms/work/",
      "appvms//private",
      "/work/private",
      "//private",
      "/appvms/work/private",
      "appvms/work/private/",
      "appvms/work/private/x",
      "appvms/../private",
      "appvms/./private",
      "appvms/work/..",
      "appvms/work/.",
      "../work/private",
      "./work/private",
      "../../etc/passwd",
      "appvms/work/../../x",
      "appvms/wo\nrk/private",
      "appvms/work/pri\nvate",
      "appvms/work/private\n",
      "appvms/work/\x01",
      "appvms/\x1b[2J/private",
      "appvms/work/\x7f",
      "appvms/work/private-dirty",
      "appvms/work/private-precache",
      "appvms/work/private-import",
      "appvms/work/private.img",
      "appvms/work/.img",
      "appvms/work/-dirty",
      "appvms/work/-dirty-import",
      "strange/work/private",
      "APPVMS/work/private",
      "appvms /work/private",
      " appvms/work/private",
      "vm-template/work/private",
      "appvms\xff/work/private",
  };
  qubes_storage_pool* pool = new_pool();
  char* before = listing(place(""));
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    qubes_storage_volume* volume = UNTOUCHED;
    FAILS(REFUSED(INVALID), qubes_storage_pool_volume, pool, wrong[i], NULL, &volume);
    if (!CHECK(volume == UNTOUCHED)) printf("    vid number %u\n", (unsigned)i);
  }
  CHECK(is_unchanged(place(""), before));
  qubes_storage_pool_unref(pool);
}

static char* long_vid(const char* before, size_t length, const char* after) {
  char* vid = calloc(1, strlen(before) + length + strlen(after) + 1);
  strcpy(vid, before);
  memset(vid + strlen(before), 'x', length);
  strcat(vid, after);
  return vid;
}

static void refuse_long(qubes_storage_pool* pool, char* vid) {
  qubes_storage_volume* volume = UNTOUCHED;
  FAILS(REFUSED(INVALID), qubes_storage_pool_volume, pool, vid, NULL, &volume);
  CHECK(volume == UNTOUCHED);
  free(vid);
}

static void long_vids(void) {
  qubes_storage_pool* pool = new_pool();
  refuse_long(pool, long_vid("", 10000, ""));
  refuse_long(pool, long_vid("appvms/work/", 10000, ""));
  refuse_long(pool, long_vid("appvms/", 10000, "/private"));
  refuse_long(pool, long_vid("", 10000, "/work/private"));
  refuse_long(pool, long_vid("appvms/", 256, "/private"));
  refuse_long(pool, long_vid("appvms/work/", 255, ""));
  /* The longest that is accepted works to the end: every file of it has a name that fits. */
  qubes_storage_volume* volume = NULL;
  for (size_t length = 254; length > 0 && volume == NULL; --length) {
    char* vid = long_vid("appvms/work/", length, "");
    if (qubes_storage_pool_volume(pool, vid, NULL, &volume, NULL) == QUBES_STORAGE_OK) {
      qubes_storage_volume_unref(volume);
      volume = new_origin(pool, vid, "one");
      run_session(volume, "two");
      CHECK_U64(revisions_of(volume), 1);
      WORKS(qubes_storage_volume_import_begin, volume, 4096, 0);
      WORKS(qubes_storage_volume_import_end, volume, 1, 0);
      WORKS(qubes_storage_volume_remove, volume, 0);
      CHECK(length > 150);
    }
    free(vid);
  }
  CHECK(volume != NULL);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* Odd, but nothing that could do harm: they are bytes. */
static void odd_vids(void) {
  static const char* const odd[] = {
      "appvms/w\xc3/priv\xe2\x82",
      "appvms/\xff\xfe/\x80",
      "vm-templates/ /  ",
      "appvms/a/~",
      "appvms/a/b~abcdefgh",
      "appvms/...../...",
      "appvms/-rf/-rf",
      "appvms/a/dirty",
      "appvms/a/img.img.x",
      "appvms/a/b.img.1@2026-01-02T03:04:05Z",
      "appvms/$(id)/`id`",
      "appvms/a/%s%n",
      "appvms/a/b-dirty2",
      "appvms/\xe2\x80\xae/x",
      "appvms/a\\/b'c\"d",
  };
  qubes_storage_pool* pool = new_pool();
  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, odd[i], &origin_kind);
    qubes_storage_volumes* volumes = NULL;
    CHECK_TEXT(qubes_storage_volume_vid(volume), odd[i]);
    CHECK(strncmp(qubes_storage_volume_path(volume), place("pool/"), strlen(place("pool/"))) == 0);
    FAILS(REFUSED(NOT_FOUND), qubes_storage_volume_start, volume, 0);
    WORKS(qubes_storage_volume_create, volume, 0);
    FAILS(REFUSED_AT(EXISTS, NULL, odd[i]), qubes_storage_volume_create, volume, 0);
    run_session(volume, "x");
    WORKS(qubes_storage_pool_list, pool, &volumes);
    CHECK_U64(qubes_storage_volumes_count(volumes), 1);
    CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), odd[i]);
    qubes_storage_volumes_unref(volumes);
    WORKS(qubes_storage_volume_remove, volume, 0);
    qubes_storage_volume_unref(volume);
  }
  qubes_storage_pool_unref(pool);
}

/* Two volumes of one VM whose names begin alike do not touch each other's files. */
static void neighbours(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* one = new_origin(pool, "appvms/work/p", "one");
  qubes_storage_volume* two = new_origin(pool, "appvms/work/p.img.x", "two");
  qubes_storage_volume* three = new_origin(pool, "appvms/work/p-dirty2", "three");
  run_session(one, "ONE");
  WORKS(qubes_storage_volume_start, three, 0);
  WORKS(qubes_storage_volume_remove, one, 0);
  CHECK(has_text(image_of(two, ".img"), 0, "two"));
  CHECK(has_text(image_of(three, ".img"), 0, "three"));
  CHECK(volume_is_started(three));
  qubes_storage_volume_unref(one);
  qubes_storage_volume_unref(two);
  qubes_storage_volume_unref(three);
  qubes_storage_pool_unref(pool);
}

const struct test vid_tests[] = {
    {"hostile_vids", hostile_vids},
    {"long_vids", long_vids},
    {"odd_vids", odd_vids},
    {"neighbours", neighbours},
    {NULL, NULL},
};
