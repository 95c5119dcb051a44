/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shortest useful program: `session DIRECTORY` runs one session of a virtual machine's disk.
 *
 *     cc -std=c99 session.c -o session $(pkg-config --cflags --libs qubesstorage)
 */
#include <qubes/storage.h>
#include <stdio.h>

enum { kSize = 1 << 30 };

/* The volume `vid`: saved, so it is an origin. */
static int32_t open_origin(qubes_storage_pool* pool, const char* vid, qubes_storage_volume** volume,
                           qubes_storage_error** error) {
  qubes_storage_volume_config* config = NULL;
  int32_t result = qubes_storage_volume_config_new(&config, error);
  if (result == 0) result = qubes_storage_volume_config_set_size(config, kSize, error);
  if (result == 0) result = qubes_storage_volume_config_set_save_on_stop(config, 1, error);
  if (result == 0) result = qubes_storage_pool_volume(pool, vid, config, volume, error);
  qubes_storage_volume_config_unref(config);
  return result;
}

static int32_t run_session(qubes_storage_volume* volume, qubes_storage_error** error) {
  int32_t result = qubes_storage_volume_create(volume, 0, error);
  if (result == 0) result = qubes_storage_volume_start(volume, 0, error);
  if (result == 0) {
    FILE* disk = fopen(qubes_storage_volume_path(volume), "r+"); /* the virtual machine's part */
    if (disk == NULL || fputs("written in the session", disk) == EOF) perror("disk");
    if (disk != NULL && fclose(disk) == EOF) perror("disk");
    result = qubes_storage_volume_stop(volume, 0, error); /* commits it */
  }
  return result;
}

int main(int argc, char** argv) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  qubes_storage_volume* volume = NULL;
  qubes_storage_error* error = NULL;
  int32_t result = qubes_storage_pool_config_new(argc > 1 ? argv[1] : "pool", &config, &error);
  if (result == 0) result = qubes_storage_pool_open(config, &pool, &error);
  if (result == 0) result = qubes_storage_pool_setup(pool, &error);
  if (result == 0) result = open_origin(pool, "appvms/work/private", &volume, &error);
  if (result == 0) result = run_session(volume, &error);
  if (error != NULL) fprintf(stderr, "%s\n", qubes_storage_error_message(error));
  qubes_storage_error_unref(error);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool); /* waits for the work in the background */
  qubes_storage_pool_config_unref(config);
  return result == 0 ? 0 : 1;
}
