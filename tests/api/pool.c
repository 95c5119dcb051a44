/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools: setup, information, the list, what is absent, and which place contains which. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static void setup_makes_directories(void) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  WORKS(qubes_storage_pool_config_new, place("pool"), &config);
  WORKS(qubes_storage_pool_open, config, &pool);
  CHECK(!is_there(place("pool")));
  if (has_reflink) {
    WORKS(qubes_storage_pool_setup, pool);
    CHECK(is_there(place("pool/appvms")) && is_there(place("pool/vm-templates")));
    char* before = listing(place("pool"));
    WORKS(qubes_storage_pool_setup, pool); /* what is there stays */
    CHECK(is_unchanged(place("pool"), before));
  } else {
    char* before = listing(place(""));
    FAILS(REFUSED_AT(NOT_SUPPORTED, NULL, place("pool")), qubes_storage_pool_setup, pool);
    CHECK(is_unchanged(place(""), before)); /* it removed what it made */
    make_directory(place("pool"));
    make_directory(place("pool/appvms"));
    before = listing(place(""));
    FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_pool_setup, pool);
    CHECK(is_unchanged(place(""), before)); /* and nothing else */
  }
  qubes_storage_pool_unref(pool);
  WORKS(qubes_storage_pool_config_set_setup_check, config, 0);
  WORKS(qubes_storage_pool_open, config, &pool);
  WORKS(qubes_storage_pool_setup, pool);
  CHECK(is_there(place("pool/appvms")) && is_there(place("pool/vm-templates")));
  qubes_storage_pool_unref(pool);
  qubes_storage_pool_config_unref(config);
}

static int32_t setup_of(const char* path) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  WORKS(qubes_storage_pool_config_new, path, &config);
  WORKS(qubes_storage_pool_config_set_setup_check, config, 0);
  WORKS(qubes_storage_pool_open, config, &pool);
  const int32_t code = qubes_storage_pool_setup(pool, NULL);
  qubes_storage_pool_unref(pool);
  qubes_storage_pool_config_unref(config);
  return code;
}

static void setup_refusals(void) {
  char too_long[10001];
  memset(too_long, 'x', sizeof too_long - 1);
  too_long[sizeof too_long - 1] = '\0';
  make_file(place("file"), 0, NULL);
  char* before = listing(place(""));
  CHECK_I64(setup_of(place("absent/pool")), QUBES_STORAGE_OFFLINE); /* one level only */
  CHECK_I64(setup_of("/"), QUBES_STORAGE_INVALID);
  CHECK_I64(setup_of(place(too_long)), QUBES_STORAGE_INVALID);
  CHECK_I64(setup_of(place("file")), QUBES_STORAGE_CORRUPT);
  CHECK_I64(setup_of(place("file/pool")), QUBES_STORAGE_CORRUPT);
  CHECK(is_unchanged(place(""), before));
}

static void offline_pool(void) {
  qubes_storage_pool* pool = open_pool();
  qubes_storage_pool_info* info = NULL;
  qubes_storage_volumes* volumes = UNTOUCHED;
  qubes_storage_report* report = UNTOUCHED;
  const char* const candidates[] = {"/"};
  int64_t index = 77;
  WORKS(qubes_storage_pool_get_info, pool, &info);
  CHECK_I64(qubes_storage_pool_info_is_online(info), 0);
  CHECK_U64(qubes_storage_pool_info_size_bytes(info), QUBES_STORAGE_UNKNOWN);
  CHECK_U64(qubes_storage_pool_info_usage_bytes(info), QUBES_STORAGE_UNKNOWN);
  CHECK_TEXT(qubes_storage_pool_info_filesystem_type(info), "");
  CHECK_TEXT(qubes_storage_pool_info_mount_point(info), "");
  CHECK_TEXT(qubes_storage_pool_info_device(info), "");
  CHECK_TEXT(qubes_storage_pool_info_device_uuid(info), "");
  CHECK_U64(qubes_storage_pool_info_logical_sector_bytes(info), 0);
  CHECK_U64(qubes_storage_pool_info_physical_sector_bytes(info), 0);
  CHECK_I64(qubes_storage_pool_info_reflink_works(info), 0);
  qubes_storage_pool_info_unref(info);
  FAILS(CODE(OFFLINE), qubes_storage_pool_list, pool, &volumes);
  FAILS(CODE(OFFLINE), qubes_storage_pool_recover, pool, &report);
  FAILS(CODE(OFFLINE), qubes_storage_pool_included_in, pool, candidates, 1, &index);
  CHECK(volumes == UNTOUCHED && report == UNTOUCHED && index == 77);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(!is_there(place("pool")));
  qubes_storage_pool_unref(pool);
}

/* Each verb, on a volume of each kind, while the pool's directory is away and when it is back. */
static void offline_volumes(void) {
  const struct kind* const kinds[] = {&volatile_kind, &origin_kind, &in_place_kind, &snapshot_kind,
                                      &origin_snapshot_kind};
  qubes_storage_pool* pool = open_pool();
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    qubes_storage_volume* volume = new_volume(pool, "appvms/work/private", kinds[i]);
    int fd = 77;
    FAILS(CODE(OFFLINE), qubes_storage_volume_create, volume, 0);
    FAILS(CODE(OFFLINE), qubes_storage_volume_verify, volume);
    FAILS(CODE(OFFLINE), qubes_storage_volume_remove, volume, 0);
    FAILS(CODE(OFFLINE), qubes_storage_volume_start, volume, 0);
    FAILS(CODE(OFFLINE), qubes_storage_volume_stop, volume, 0);
    FAILS(CODE(OFFLINE), qubes_storage_volume_discard, volume, 0);
    FAILS(CODE(OFFLINE), qubes_storage_volume_resize, volume, 2 * kMiB, 0);
    CHECK_U64(volume_size(volume), SIZE_OF_VOLUME);
    CHECK_U64(revisions_of(volume), 0);
    CHECK(!volume_is_started(volume));
    if (kinds[i]->save_on_stop) {
      FAILS(CODE(OFFLINE), qubes_storage_volume_revert, volume, 0, 0);
      FAILS(CODE(OFFLINE), qubes_storage_volume_import_begin, volume, 4096, 0);
      FAILS(CODE(OFFLINE), qubes_storage_volume_export_fd, volume, 0, &fd);
      FAILS(CODE(OFFLINE), qubes_storage_volume_prune, volume, 0, 0);
      CHECK_I64(fd, 77);
    }
    qubes_storage_volume_unref(volume);
  }
  CHECK(!is_there(place("pool")));
  qubes_storage_volume* volume = new_volume(pool, "appvms/work/private", &origin_kind);
  WORKS(qubes_storage_pool_setup, pool);
  WORKS(qubes_storage_volume_create, volume, 0);
  run_session(volume, "back");
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void online_info(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_pool_info* info = NULL;
  struct stat of_root;
  WORKS(qubes_storage_pool_get_info, pool, &info);
  CHECK_I64(qubes_storage_pool_info_is_online(info), 1);
  const uint64_t size = qubes_storage_pool_info_size_bytes(info);
  const uint64_t usage = qubes_storage_pool_info_usage_bytes(info);
  CHECK(size != QUBES_STORAGE_UNKNOWN && size > kMiB);
  CHECK(usage <= size);
  CHECK(qubes_storage_pool_info_filesystem_type(info)[0] != '\0');
  CHECK(qubes_storage_pool_info_mount_point(info)[0] == '/');
  CHECK(strncmp(root, qubes_storage_pool_info_mount_point(info),
                strlen(qubes_storage_pool_info_mount_point(info))) == 0);
  CHECK_I64(qubes_storage_pool_info_reflink_works(info), has_reflink);
  CHECK_I64(stat(root, &of_root), 0);
  if (qubes_storage_pool_info_device(info)[0] == '/' && geteuid() == 0) {
    CHECK_U64(strlen(qubes_storage_pool_info_device_uuid(info)), 36);
    CHECK(qubes_storage_pool_info_logical_sector_bytes(info) >= 512);
    CHECK(qubes_storage_pool_info_physical_sector_bytes(info) >=
          qubes_storage_pool_info_logical_sector_bytes(info));
  }
  qubes_storage_pool_info_unref(info);
  qubes_storage_pool_unref(pool);
}

/* Sorted, and only what has an image, a session or a revision; what is foreign is left alone. */
static void list_of_volumes(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volumes* volumes = NULL;
  WORKS(qubes_storage_pool_list, pool, &volumes);
  CHECK_U64(qubes_storage_volumes_count(volumes), 0);
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), NULL);
  qubes_storage_volumes_unref(volumes);
  make_directory(place("pool/appvms/b"));
  make_directory(place("pool/appvms/a"));
  make_directory(place("pool/appvms/empty"));
  make_directory(place("pool/foreign"));
  make_directory(place("pool/foreign/a"));
  make_file(place("pool/foreign/a/private.img"), 0, NULL);
  make_file(place("pool/appvms/file"), 0, NULL);
  make_file(place("pool/appvms/b/private.img"), 0, NULL);
  make_file(place("pool/appvms/b/volatile-dirty.img"), 0, NULL);
  make_file(place("pool/appvms/b/only.img.3@2026-01-02T03:04:05Z"), 0, NULL);
  make_file(place("pool/appvms/a/old.img@2026-01-02T03:04:05Z"), 0, NULL);
  make_file(place("pool/appvms/a/import-import.img"), 0, NULL);
  make_file(place("pool/appvms/a/cache-precache.img"), 0, NULL);
  make_file(place("pool/appvms/a/temporary.img~abcdefgh"), 0, NULL);
  make_file(place("pool/appvms/a/private.img"), 0, NULL);
  char* before = listing(place("pool"));
  WORKS(qubes_storage_pool_list, pool, &volumes);
  CHECK_U64(qubes_storage_volumes_count(volumes), 4);
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), "appvms/a/private");
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 1), "appvms/b/only");
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 2), "appvms/b/private");
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 3), "appvms/b/volatile");
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 4), NULL);
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, SIZE_MAX), NULL);
  qubes_storage_volumes_unref(volumes);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_pool_unref(pool);
}

static int report_has(const qubes_storage_report* report, const char* vid, const char* word) {
  for (size_t i = 0; i < qubes_storage_report_count(report); ++i) {
    if (strcmp(qubes_storage_report_vid(report, i), vid) == 0 &&
        strstr(qubes_storage_report_finding(report, i), word) != NULL) {
      return qubes_storage_report_action(report, i)[0] != '\0';
    }
  }
  return 0;
}

static void recover_what_crashes_left(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_report* report = NULL;
  WORKS(qubes_storage_pool_recover, pool, &report);
  CHECK_U64(qubes_storage_report_count(report), 0);
  qubes_storage_report_unref(report);
  make_directory(place("pool/appvms/a"));
  make_directory(place("pool/appvms/a/broken.img"));
  make_directory(place("pool/appvms/b"));
  make_file(place("pool/appvms/b/t.img"), 4096, "t");
  make_file(place("pool/appvms/b/t.img~abcdefgh"), 0, NULL);
  make_file(place("pool/appvms/b/t-import.img"), 0, NULL);
  CHECK_I64(link(place("pool/appvms/b/t.img"), place("pool/appvms/b/t.img.1@2026-01-02T03:04:05Z")),
            0);
  make_file(place("pool/appvms/b/s-dirty.img"), 4096, "s");
  make_file(place("pool/appvms/b/foreign~"), 0, NULL);
  WORKS(qubes_storage_pool_recover, pool, &report);
  CHECK(report_has(report, "appvms/a/broken", "broken.img"));
  CHECK(report_has(report, "appvms/b/t", "t.img~abcdefgh"));
  CHECK(report_has(report, "appvms/b/t", "t-import.img"));
  CHECK(report_has(report, "appvms/b/t", "t.img.1@"));
  CHECK(report_has(report, "appvms/b/s", "session"));
  const size_t count = qubes_storage_report_count(report);
  CHECK_U64(count, 5);
  CHECK_TEXT(qubes_storage_report_vid(report, count), NULL);
  CHECK_TEXT(qubes_storage_report_finding(report, count), NULL);
  CHECK_TEXT(qubes_storage_report_action(report, SIZE_MAX), NULL);
  qubes_storage_report_unref(report);
  CHECK(has_text(place("pool/appvms/b/t.img"), 0, "t"));
  CHECK(has_text(place("pool/appvms/b/s-dirty.img"), 0, "s"));
  CHECK(is_there(place("pool/appvms/b/foreign~")));
  CHECK(!is_there(place("pool/appvms/b/t.img~abcdefgh")));
  CHECK(!is_there(place("pool/appvms/b/t-import.img")));
  CHECK(!is_there(place("pool/appvms/b/t.img.1@2026-01-02T03:04:05Z")));
  qubes_storage_pool_unref(pool);
}

static int64_t container(qubes_storage_pool* pool, const char* a, const char* b, const char* c) {
  const char* const candidates[] = {a, b, c};
  int64_t index = 77;
  WORKS(qubes_storage_pool_included_in, pool, candidates, 3, &index);
  return index;
}

static void which_contains_it(void) {
  static const char* const wrong[] = {"", "relative", "VG/", "VG/a/b", "./x/y"};
  qubes_storage_pool* pool = new_pool();
  const char* const here = place("pool");
  int64_t index = 77;
  WORKS(qubes_storage_pool_included_in, pool, NULL, 0, &index);
  CHECK_I64(index, -1);
  CHECK_I64(container(pool, "/absent", here, "VG/POOL"), -1); /* not in itself */
  CHECK_I64(container(pool, "/", root, place("")), 2);        /* the deepest */
  CHECK_I64(container(pool, place(""), root, "/"), 0);
  CHECK_I64(container(pool, "/usr", place("poo"), place("pool/appvms")), -1);
  CHECK_I64(symlink(root, place("link")), 0);
  CHECK_I64(container(pool, "/usr", place("link"), "/etc"), 1);
  CHECK_I64(container(pool, "/usr", "/", "//"), 1); /* the first of two that are one */
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    const char* const candidates[] = {"/", wrong[i]};
    index = 77;
    FAILS(REFUSED(INVALID), qubes_storage_pool_included_in, pool, candidates, 2, &index);
    CHECK_I64(index, 77);
  }
  qubes_storage_pool_unref(pool);
}

const struct test pool_tests[] = {
    {"setup_makes_directories", setup_makes_directories},
    {"setup_refusals", setup_refusals},
    {"offline_pool", offline_pool},
    {"offline_volumes", offline_volumes},
    {"online_info", online_info},
    {"list_of_volumes", list_of_volumes},
    {"recover_what_crashes_left", recover_what_crashes_left},
    {"which_contains_it", which_contains_it},
    {NULL, NULL},
};
