/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dlopen-test LIBRARY DIRECTORY: loads, uses and unloads the library, in threads, again and again.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <qubes/storage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kRounds = 20, kSecondsMax = 60 };

static const char* library;
static const char* directory;

static void die(const char* what) {
  fprintf(stderr, "dlopen-test: %s\n", what);
  exit(1);
}

/* ISO C has no conversion from void * to a function's address. */
static void find(void* handle, const char* name, void* function) {
  void* const address = dlsym(handle, name);
  if (address == NULL) die(dlerror());
  memcpy(function, &address, sizeof address);
}

/* A pool, with a volume whose handle goes last, and a background worker that ran. */
static void use(void* handle) {
  int32_t (*config_new)(const char*, qubes_storage_pool_config**, qubes_storage_error**);
  int32_t (*set_check)(qubes_storage_pool_config*, int32_t, qubes_storage_error**);
  void (*config_unref)(qubes_storage_pool_config*);
  int32_t (*pool_open)(const qubes_storage_pool_config*, qubes_storage_pool**,
                       qubes_storage_error**);
  int32_t (*setup)(qubes_storage_pool*, qubes_storage_error**);
  int32_t (*get_volume)(qubes_storage_pool*, const char*, const qubes_storage_volume_config*,
                        qubes_storage_volume**, qubes_storage_error**);
  void (*pool_unref)(qubes_storage_pool*);
  int32_t (*start)(qubes_storage_volume*, uint32_t, qubes_storage_error**);
  int32_t (*stop)(qubes_storage_volume*, uint32_t, qubes_storage_error**);
  void (*volume_unref)(qubes_storage_volume*);
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  qubes_storage_volume* volume = NULL;
  char path[4096], vid[64];
  find(handle, "qubes_storage_pool_config_new", &config_new);
  find(handle, "qubes_storage_pool_config_set_setup_check", &set_check);
  find(handle, "qubes_storage_pool_config_unref", &config_unref);
  find(handle, "qubes_storage_pool_open", &pool_open);
  find(handle, "qubes_storage_pool_setup", &setup);
  find(handle, "qubes_storage_pool_volume", &get_volume);
  find(handle, "qubes_storage_pool_unref", &pool_unref);
  find(handle, "qubes_storage_volume_start", &start);
  find(handle, "qubes_storage_volume_stop", &stop);
  find(handle, "qubes_storage_volume_unref", &volume_unref);
  snprintf(path, sizeof path, "%s/pool", directory);
  snprintf(vid, sizeof vid, "appvms/dlopen/v%lu", (unsigned long)pthread_self());
  if (config_new(path, &config, NULL) != 0 || set_check(config, 0, NULL) != 0) die("config");
  if (pool_open(config, &pool, NULL) != 0 || setup(pool, NULL) != 0) die("pool");
  if (get_volume(pool, vid, NULL, &volume, NULL) != 0) die("volume");
  config_unref(config);
  pool_unref(pool);
  if (start(volume, 0, NULL) != 0 || stop(volume, 0, NULL) != 0) die("session");
  volume_unref(volume);
}

static void* load_and_unload(void* unused) {
  (void)unused;
  for (int i = 0; i < kRounds; ++i) {
    void* const handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) die(dlerror());
    use(handle);
    if (dlclose(handle) != 0) die(dlerror());
  }
  return NULL;
}

static int count_threads(void) {
  int count = -2; /* `.` and `..` */
  DIR* const stream = opendir("/proc/self/task");
  if (stream == NULL) die("/proc/self/task");
  while (readdir(stream) != NULL) ++count;
  closedir(stream);
  return count;
}

int main(int argc, char** argv) {
  pthread_t threads[4];
  if (argc != 3) die("usage: dlopen-test LIBRARY DIRECTORY");
  library = argv[1];
  directory = argv[2];
  alarm(kSecondsMax); /* a hang is a failure */
  for (int i = 0; i < 4; ++i) {
    /* One after the other first, so that the library comes and goes; then all at once. */
    if (pthread_create(&threads[i], NULL, load_and_unload, NULL) != 0) die("pthread_create");
    if (i < 2) pthread_join(threads[i], NULL);
  }
  pthread_join(threads[2], NULL);
  pthread_join(threads[3], NULL);
  if (count_threads() != 1) die("the library left a thread behind");
  puts(dlopen(library, RTLD_NOW | RTLD_NOLOAD) == NULL ? "loaded, used, unloaded"
                                                       : "loaded, used; it stays in memory");
  return 0;
}
