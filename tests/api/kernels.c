/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool of kernels: read-only, what is no change works. */
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static qubes_storage_pool* kernels_pool(void) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  make_directory(place("kernels"));
  make_directory(place("kernels/6.1"));
  make_directory(place("kernels/5.4"));
  make_directory(place("kernels/empty"));
  make_file(place("kernels/6.1/modules.img"), 8192, "modules");
  make_file(place("kernels/5.4/modules.img"), 4096, "old");
  make_file(place("kernels/README"), 0, NULL);
  WORKS(qubes_storage_pool_config_new, place("kernels"), &config);
  WORKS(qubes_storage_pool_config_set_kind, config, QUBES_STORAGE_POOL_KERNELS);
  WORKS(qubes_storage_pool_open, config, &pool);
  qubes_storage_pool_config_unref(config);
  return pool;
}

static qubes_storage_volume* kernel_volume(qubes_storage_pool* pool, const char* kernel) {
  qubes_storage_volume* volume = NULL;
  if (!WORKS(qubes_storage_pool_volume, pool, kernel, NULL, &volume)) die("kernel volume");
  return volume;
}

static void kernels_refuse_changes(void) {
  qubes_storage_pool* pool = kernels_pool();
  qubes_storage_volume* volume = kernel_volume(pool, "6.1");
  char* before = listing(place("kernels"));
  FAILS(REFUSED(NOT_SUPPORTED), qubes_storage_pool_setup, pool);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_create, volume, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_remove, volume, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_resize, volume, kMiB, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_resize, volume, 0, QUBES_STORAGE_RESIZE_SHRINK);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_import_begin, volume, 4096, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_import_fd, volume, 0, 0, NULL, NULL, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_set_rw, volume, 1);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_set_rw, volume, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_set_revisions_to_keep, volume, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_revert, volume, 0, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_prune, volume, 0, 0);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_import_end, volume, 0, 0);
  CHECK(is_unchanged(place("kernels"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void kernels_sessions(void) {
  qubes_storage_pool* pool = kernels_pool();
  qubes_storage_volume* volume = kernel_volume(pool, "6.1");
  qubes_storage_volume* other = kernel_volume(pool, "5.4");
  qubes_storage_volume* absent = kernel_volume(pool, "empty");
  char* before = listing(place("kernels"));
  CHECK_TEXT(qubes_storage_volume_vid(volume), "6.1");
  CHECK_TEXT(qubes_storage_volume_path(volume), place("kernels/6.1/modules.img"));
  CHECK(qubes_storage_volume_import_path(volume) != NULL);
  for (int turn = 0; turn < 2; ++turn) {
    WORKS(qubes_storage_volume_verify, volume);
    WORKS(qubes_storage_volume_start, volume, 0);
  }
  WORKS(qubes_storage_volume_stop, volume, 0);
  WORKS(qubes_storage_volume_discard, volume, 0);
  WORKS(qubes_storage_volume_import_volume, volume, other, NULL, NULL, 0);
  WORKS(qubes_storage_volume_import_volume, volume, volume, NULL, NULL, 0);
  FAILS(CODE(NOT_FOUND), qubes_storage_volume_verify, absent);
  CHECK_U64(volume_size(volume), 8192);
  CHECK(!volume_is_started(volume));
  CHECK_U64(revisions_of(volume), 0);
  CHECK(is_unchanged(place("kernels"), before));
  qubes_storage_volume_unref(absent);
  qubes_storage_volume_unref(other);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* Its image can be read, into a volume of the other pool as well, but not the other way. */
static void kernels_exports(void) {
  qubes_storage_pool* pool = kernels_pool();
  qubes_storage_pool* images = new_pool();
  qubes_storage_volume* kernel = kernel_volume(pool, "6.1");
  qubes_storage_volume* volume = new_volume(images, "appvms/work/private", &origin_kind);
  int fd = -1;
  WORKS(qubes_storage_volume_export_fd, kernel, 0, &fd);
  CHECK(fd_has_text(fd, 0, "modules"));
  close(fd);
  WORKS(qubes_storage_volume_import_volume, volume, kernel, NULL, NULL, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "modules"));
  CHECK_U64(volume_size(volume), 8192);
  FAILS(REFUSED(READ_ONLY), qubes_storage_volume_import_volume, kernel, volume, NULL, NULL, 0);
  CHECK(has_text(place("kernels/6.1/modules.img"), 0, "modules"));
  qubes_storage_volume_unref(volume);
  qubes_storage_volume_unref(kernel);
  qubes_storage_pool_unref(images);
  qubes_storage_pool_unref(pool);
}

static void kernels_pool_as_a_whole(void) {
  static const char* const wrong[] = {"",  ".",  "..", "6.1/", "../6.1", "6.1/modules.img",
                                      "/", "a\n"};
  qubes_storage_pool* pool = kernels_pool();
  qubes_storage_volume* volume = UNTOUCHED;
  qubes_storage_volume_config* config = NULL;
  qubes_storage_volumes* volumes = NULL;
  qubes_storage_report* report = NULL;
  qubes_storage_pool_info* info = NULL;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    FAILS(REFUSED(INVALID), qubes_storage_pool_volume, pool, wrong[i], NULL, &volume);
  }
  WORKS(qubes_storage_volume_config_new, &config);
  WORKS(qubes_storage_volume_config_set_save_on_stop, config, 1);
  FAILS(REFUSED(READ_ONLY), qubes_storage_pool_volume, pool, "6.1", config, &volume);
  qubes_storage_volume_config_unref(config);
  CHECK(volume == UNTOUCHED);
  WORKS(qubes_storage_pool_list, pool, &volumes);
  CHECK_U64(qubes_storage_volumes_count(volumes), 2);
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), "5.4");
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 1), "6.1");
  qubes_storage_volumes_unref(volumes);
  WORKS(qubes_storage_pool_recover, pool, &report);
  CHECK_U64(qubes_storage_report_count(report), 0);
  qubes_storage_report_unref(report);
  WORKS(qubes_storage_pool_get_info, pool, &info);
  CHECK_I64(qubes_storage_pool_info_kind(info), QUBES_STORAGE_POOL_KERNELS);
  CHECK_I64(qubes_storage_pool_info_is_online(info), 1);
  qubes_storage_pool_info_unref(info);
  WORKS(qubes_storage_pool_drain, pool);
  qubes_storage_pool_unref(pool);
}

const struct test kernel_tests[] = {
    {"kernels_refuse_changes", kernels_refuse_changes},
    {"kernels_sessions", kernels_sessions},
    {"kernels_exports", kernels_exports},
    {"kernels_pool_as_a_whole", kernels_pool_as_a_whole},
    {NULL, NULL},
};
