/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools and volumes for the API tests. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char* root = NULL;
int has_reflink = 0;

const struct kind volatile_kind = {0, NULL, KEEP_OF_POOL, 1};
const struct kind origin_kind = {1, NULL, KEEP_OF_POOL, 1};
const struct kind in_place_kind = {1, NULL, -1, 1};
const struct kind snapshot_kind = {0, SOURCE, KEEP_OF_POOL, 1};
const struct kind origin_snapshot_kind = {1, SOURCE, KEEP_OF_POOL, 1};

static char test_directory[512];

void die(const char* what) {
  printf("the test cannot go on: %s (%s)\n", what, strerror(errno));
  exit(2);
}

const char* joined(const char* directory, const char* name) {
  static char buffers[8][12000];
  static unsigned turn = 0;
  char* const buffer = buffers[turn++ % 8];
  snprintf(buffer, sizeof buffers[0], "%s/%s", directory, name);
  return buffer;
}

const char* place(const char* name) {
  return joined(test_directory, name);
}

void enter_test(const char* name) {
  snprintf(test_directory, sizeof test_directory, "%s/%s", root, name);
  make_directory(test_directory);
}

static void must(int32_t result, const char* what) {
  if (result == QUBES_STORAGE_OK) return;
  printf("%s answered %s\n", what, qubes_storage_code_name(result));
  errno = 0;
  die(what);
}

qubes_storage_pool* open_pool(void) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  must(qubes_storage_pool_config_new(place("pool"), &config, NULL), "pool_config_new");
  must(qubes_storage_pool_config_set_setup_check(config, 0, NULL), "set_setup_check");
  must(qubes_storage_pool_open(config, &pool, NULL), "pool_open");
  qubes_storage_pool_config_unref(config);
  return pool;
}

qubes_storage_pool* new_pool(void) {
  qubes_storage_pool* pool = open_pool();
  must(qubes_storage_pool_setup(pool, NULL), "pool_setup");
  return pool;
}

qubes_storage_volume* new_volume(qubes_storage_pool* pool, const char* vid,
                                 const struct kind* kind) {
  qubes_storage_volume_config* config = NULL;
  qubes_storage_volume* volume = NULL;
  must(qubes_storage_volume_config_new(&config, NULL), "volume_config_new");
  must(qubes_storage_volume_config_set_size(config, SIZE_OF_VOLUME, NULL), "set_size");
  must(qubes_storage_volume_config_set_rw(config, kind->rw, NULL), "set_rw");
  must(qubes_storage_volume_config_set_save_on_stop(config, kind->save_on_stop, NULL), "set_save");
  if (kind->source != NULL) {
    must(qubes_storage_volume_config_set_snap_on_start(config, 1, NULL), "set_snap_on_start");
    must(qubes_storage_volume_config_set_source(config, kind->source, NULL), "set_source");
  }
  if (kind->revisions_to_keep != KEEP_OF_POOL) {
    must(qubes_storage_volume_config_set_revisions_to_keep(config, kind->revisions_to_keep, NULL),
         "set_revisions_to_keep");
  }
  must(qubes_storage_pool_volume(pool, vid, config, &volume, NULL), "pool_volume");
  qubes_storage_volume_config_unref(config);
  return volume;
}

qubes_storage_volume* new_origin(qubes_storage_pool* pool, const char* vid, const char* text) {
  const struct kind without_revisions = {1, NULL, 0, 1};
  qubes_storage_volume* volume = new_volume(pool, vid, &without_revisions);
  must(qubes_storage_volume_create(volume, 0, NULL), "volume_create");
  run_session(volume, text);
  must(qubes_storage_volume_set_revisions_to_keep(volume, 1, NULL), "set_revisions_to_keep");
  must(qubes_storage_pool_drain(pool, NULL), "pool_drain");
  return volume;
}

void run_session(qubes_storage_volume* volume, const char* text) {
  must(qubes_storage_volume_start(volume, 0, NULL), "volume_start");
  write_text(qubes_storage_volume_path(volume), 0, text);
  must(qubes_storage_volume_stop(volume, 0, NULL), "volume_stop");
}

const char* image_of(const qubes_storage_volume* volume, const char* ending) {
  const char* const path = qubes_storage_volume_path(volume);
  char without[4096];
  snprintf(without, sizeof without, "%.*s", (int)(strlen(path) - strlen("-dirty.img")), path);
  const char* const name = strrchr(without, '/') + 1;
  char file[512];
  snprintf(file, sizeof file, "%s%s", name, ending);
  without[name - without - 1] = '\0';
  return joined(without, file);
}

static qubes_storage_volume_info* info_of(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = NULL;
  must(qubes_storage_volume_get_info(volume, &info, NULL), "volume_get_info");
  return info;
}

uint64_t volume_size(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = info_of(volume);
  const uint64_t size = qubes_storage_volume_info_size_bytes(info);
  qubes_storage_volume_info_unref(info);
  return size;
}

int volume_is_started(qubes_storage_volume* volume) {
  qubes_storage_volume_info* info = info_of(volume);
  const int is_started = qubes_storage_volume_info_is_started(info);
  qubes_storage_volume_info_unref(info);
  return is_started;
}

static qubes_storage_revisions* get_revisions(qubes_storage_volume* volume) {
  qubes_storage_revisions* revisions = NULL;
  must(qubes_storage_volume_get_revisions(volume, &revisions, NULL), "volume_get_revisions");
  return revisions;
}

size_t revisions_of(qubes_storage_volume* volume) {
  qubes_storage_revisions* revisions = get_revisions(volume);
  const size_t count = qubes_storage_revisions_count(revisions);
  qubes_storage_revisions_unref(revisions);
  return count;
}

uint64_t newest_revision(qubes_storage_volume* volume) {
  qubes_storage_revisions* revisions = get_revisions(volume);
  const size_t count = qubes_storage_revisions_count(revisions);
  const uint64_t number = qubes_storage_revisions_number(revisions, count - 1);
  qubes_storage_revisions_unref(revisions);
  return number;
}

int32_t count_calls(void* opaque, uint64_t bytes_done, uint64_t bytes_total) {
  (void)bytes_done;
  (void)bytes_total;
  ++*(int*)opaque;
  return 0;
}

int32_t stop_at_once(void* opaque, uint64_t bytes_done, uint64_t bytes_total) {
  (void)bytes_done;
  (void)bytes_total;
  ++*(int*)opaque;
  return -7;
}
