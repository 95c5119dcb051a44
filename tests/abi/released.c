/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of the time of the first release: it is compiled with the header of that release,
 * linked with nothing but that release's symbols, and runs with today's library. It is never
 * changed. usage: released DIRECTORY
 */
#include <poll.h>
#include <qubes/storage.h>
#include <stdio.h>
#include <string.h>

enum { kSize = 1 << 20 };

static int failed;

static void check(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "released: %s\n", what);
  failed = 1;
}

static void done(int32_t result, qubes_storage_error** error, const char* what) {
  if (result == QUBES_STORAGE_OK) return;
  fprintf(stderr, "released: %s: %s\n", what, qubes_storage_error_message(*error));
  qubes_storage_error_unref(*error);
  *error = NULL;
  failed = 1;
}

static void write_text(const char* path, const char* text) {
  FILE* file = fopen(path, "r+");
  check(file != NULL && fputs(text, file) >= 0, "write the session");
  if (file != NULL) check(fclose(file) == 0, "close the session");
}

static int reads(const char* path, const char* text) {
  char found[64] = "";
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  const size_t got = fread(found, 1, strlen(text), file);
  fclose(file);
  return got == strlen(text) && memcmp(found, text, got) == 0;
}

static void session(qubes_storage_volume* volume, const char* text) {
  qubes_storage_error* error = NULL;
  done(qubes_storage_volume_start(volume, 0, &error), &error, "start");
  write_text(qubes_storage_volume_path(volume), text);
  done(qubes_storage_volume_stop(volume, 0, &error), &error, "stop");
}

static void look(qubes_storage_volume* volume) {
  qubes_storage_error* error = NULL;
  qubes_storage_volume_info* info = NULL;
  qubes_storage_revisions* revisions = NULL;
  done(qubes_storage_volume_get_info(volume, &info, &error), &error, "get_info");
  check(qubes_storage_volume_info_size_bytes(info) == kSize, "size_bytes");
  check(qubes_storage_volume_info_is_dirty(info) == 0, "is_dirty");
  check(strcmp(qubes_storage_volume_info_vid(info), "appvms/work/private") == 0, "vid");
  qubes_storage_volume_info_unref(info);
  done(qubes_storage_volume_get_revisions(volume, &revisions, &error), &error, "get_revisions");
  check(qubes_storage_revisions_count(revisions) == 2, "count of revisions");
  check(qubes_storage_revisions_number(revisions, 0) == 1, "number of the first");
  check(qubes_storage_revisions_number(revisions, 9) == 0, "an index out of range");
  qubes_storage_revisions_unref(revisions);
}

/* An operation on a thread of the library, and its output. */
static void list_in_job(qubes_storage_pool* pool) {
  qubes_storage_error* error = NULL;
  qubes_storage_job* job = NULL;
  qubes_storage_volumes* volumes = NULL;
  done(qubes_storage_pool_list_async(pool, &job, &error), &error, "list_async");
  struct pollfd wait = {qubes_storage_job_fd(job), POLLIN, 0};
  check(poll(&wait, 1, 10000) == 1, "the job's descriptor");
  done(qubes_storage_job_result(job, &error), &error, "job_result");
  done(qubes_storage_job_get_volumes(job, &volumes, &error), &error, "get_volumes");
  check(qubes_storage_volumes_count(volumes) == 1, "count of volumes");
  qubes_storage_volumes_unref(volumes);
  qubes_storage_job_unref(job);
}

static void errors(qubes_storage_pool* pool, qubes_storage_volume* volume) {
  qubes_storage_error* error = NULL;
  check(qubes_storage_volume_revert(volume, 77, 0, &error) == QUBES_STORAGE_NOT_FOUND, "revert");
  check(qubes_storage_error_code(error) == -2, "the code of an error");
  check(strcmp(qubes_storage_code_name(-2), "NOT_FOUND") == 0, "code_name");
  qubes_storage_error_unref(error);
  qubes_storage_volume* other = NULL;
  check(qubes_storage_pool_volume(pool, "../x", NULL, &other, NULL) == QUBES_STORAGE_INVALID,
        "vid");
  check(qubes_storage_volume_stop(volume, 1u << 31, NULL) == QUBES_STORAGE_INVALID, "flags");
  check(other == NULL, "an output after a failure");
}

static qubes_storage_volume* open_volume(qubes_storage_pool* pool) {
  qubes_storage_error* error = NULL;
  qubes_storage_volume_config* config = NULL;
  qubes_storage_volume* volume = NULL;
  done(qubes_storage_volume_config_new(&config, &error), &error, "volume_config_new");
  done(qubes_storage_volume_config_set_size(config, kSize, &error), &error, "set_size");
  done(qubes_storage_volume_config_set_save_on_stop(config, 1, &error), &error, "save_on_stop");
  done(qubes_storage_volume_config_set_revisions_to_keep(config, 2, &error), &error, "keep");
  done(qubes_storage_pool_volume(pool, "appvms/work/private", config, &volume, &error), &error,
       "pool_volume");
  qubes_storage_volume_config_unref(config);
  return volume;
}

int main(int argc, char** argv) {
  qubes_storage_error* error = NULL;
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  if (argc != 2) return 2;
  done(qubes_storage_pool_config_new(argv[1], &config, &error), &error, "pool_config_new");
  done(qubes_storage_pool_config_set_setup_check(config, 0, &error), &error, "set_setup_check");
  done(qubes_storage_pool_open(config, &pool, &error), &error, "pool_open");
  done(qubes_storage_pool_setup(pool, &error), &error, "pool_setup");
  qubes_storage_volume* volume = open_volume(pool);
  done(qubes_storage_volume_create(volume, 0, &error), &error, "create");
  session(volume, "first");
  session(volume, "second");
  look(volume);
  list_in_job(pool);
  errors(pool, volume);
  done(qubes_storage_volume_revert(volume, 2, 0, &error), &error, "revert");
  done(qubes_storage_volume_start(volume, 0, &error), &error, "start");
  check(reads(qubes_storage_volume_path(volume), "first"), "the state that was reverted to");
  done(qubes_storage_volume_discard(volume, 0, &error), &error, "discard");
  done(qubes_storage_volume_remove(volume, 0, &error), &error, "remove");
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
  qubes_storage_pool_config_unref(config);
  if (!failed) puts(qubes_storage_version());
  return failed;
}
