/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two threads on one volume, many volumes at once, and references dropped from everywhere. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { kThreads = 8, kRounds = 25 };

struct work {
  qubes_storage_pool* pool;
  qubes_storage_volume* volume;
  int number;
};

static void run_threads(int count, void* (*body)(void*), struct work* work) {
  pthread_t threads[kThreads];
  for (int i = 0; i < count; ++i) {
    if (pthread_create(&threads[i], NULL, body, &work[i]) != 0) die("pthread_create");
  }
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
}

/* Every answer is one that the header allows; a crash or a hang is what this is about. */
static void* churn(void* argument) {
  struct work* const work = argument;
  for (int i = 0; i < kRounds; ++i) {
    int32_t code = qubes_storage_volume_start(work->volume, 0, NULL);
    CHECK_I64(code, QUBES_STORAGE_OK);
    code = qubes_storage_volume_resize(work->volume, SIZE_OF_VOLUME + (uint64_t)i, 1, NULL);
    CHECK_I64(code, QUBES_STORAGE_OK);
    CHECK(volume_size(work->volume) >= SIZE_OF_VOLUME);
    code = qubes_storage_volume_stop(work->volume, 0, NULL);
    CHECK_I64(code, QUBES_STORAGE_OK);
    code = qubes_storage_volume_revert(work->volume, 0, 0, NULL);
    CHECK(code == QUBES_STORAGE_OK || code == QUBES_STORAGE_DIRTY ||
          code == QUBES_STORAGE_NOT_FOUND);
    (void)revisions_of(work->volume);
  }
  return NULL;
}

static void one_volume(int shared_handle) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  qubes_storage_volume* again = new_volume(pool, "appvms/work/private", &origin_kind);
  struct work work[2] = {{pool, volume, 0}, {pool, shared_handle ? volume : again, 1}};
  run_threads(2, churn, work);
  WORKS(qubes_storage_volume_stop, volume, 0);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  CHECK(revisions_of(volume) <= 2);
  qubes_storage_report* report = NULL;
  WORKS(qubes_storage_pool_recover, pool, &report);
  CHECK_U64(qubes_storage_report_count(report), 0); /* nothing is left over */
  qubes_storage_report_unref(report);
  qubes_storage_volume_unref(again);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void two_threads_one_handle(void) {
  one_volume(1);
}
static void two_threads_two_handles(void) {
  one_volume(0);
}

/* Two pool handles on one directory, in this process, are as two processes. */
static void two_pools_one_volume(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_pool* other = open_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  qubes_storage_volume* again = new_volume(other, "appvms/work/private", &origin_kind);
  struct work work[2] = {{pool, volume, 0}, {other, again, 1}};
  run_threads(2, churn, work);
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  qubes_storage_pool_unref(pool);
  qubes_storage_pool_unref(other);
  qubes_storage_volume_unref(again);
  qubes_storage_volume_unref(volume);
}

static void* whole_life(void* argument) {
  struct work* const work = argument;
  char vid[64], text[16];
  snprintf(vid, sizeof vid, "appvms/vm%d/private", work->number / 2); /* two in each VM */
  if (work->number % 2 == 1) strcpy(strrchr(vid, '/'), "/root");
  for (int i = 0; i < kRounds / 5; ++i) {
    qubes_storage_volume* volume = new_volume(work->pool, vid, &origin_kind);
    if (!CHECK_I64(qubes_storage_volume_create(volume, 0, NULL), QUBES_STORAGE_OK)) {
      qubes_storage_volume_unref(volume);
      continue;
    }
    for (int session = 0; session < 3; ++session) {
      snprintf(text, sizeof text, "%d-%d", work->number, session);
      run_session(volume, text);
    }
    int fd = -1;
    CHECK_I64(qubes_storage_volume_export_fd(volume, 0, &fd, NULL), QUBES_STORAGE_OK);
    FILE* stream = fdopen(fd, "r");
    CHECK(fd_has_text(fd, 0, text));
    if (stream != NULL) fclose(stream);
    CHECK_I64(qubes_storage_volume_remove(volume, 0, NULL), QUBES_STORAGE_OK);
    qubes_storage_volume_unref(volume);
  }
  return NULL;
}

static void many_volumes(void) {
  qubes_storage_pool* pool = new_pool();
  struct work work[kThreads];
  char* before = listing(place("pool"));
  for (int i = 0; i < kThreads; ++i) work[i] = (struct work){pool, NULL, i};
  run_threads(kThreads, whole_life, work);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_pool_unref(pool);
}

/* The directory of a VM goes with its last volume; that must not be in the way of the next. */
static void* come_and_go(void* argument) {
  struct work* const work = argument;
  for (int i = 0; i < 20 * kRounds; ++i) {
    const int32_t code = qubes_storage_volume_create(work->volume, 0, NULL);
    if (!CHECK_I64(code, QUBES_STORAGE_OK)) break;
    CHECK_I64(qubes_storage_volume_remove(work->volume, 0, NULL), QUBES_STORAGE_OK);
  }
  return NULL;
}

static void neighbours_come_and_go(void) {
  qubes_storage_pool* pool = new_pool();
  struct work work[2] = {{pool, new_volume(pool, "appvms/vm/private", &origin_kind), 0},
                         {pool, new_volume(pool, "appvms/vm/root", &origin_kind), 1}};
  char* before = listing(place("pool"));
  run_threads(2, come_and_go, work);
  WORKS(qubes_storage_pool_drain, pool);
  for (int i = 0; i < 2; ++i) {
    (void)qubes_storage_volume_remove(work[i].volume, 0, NULL); /* after a failure */
    qubes_storage_volume_unref(work[i].volume);
  }
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_pool_unref(pool);
}

/* Each thread owns one reference, and drops it at the end of its work, in whatever order. */
static void* use_and_drop(void* argument) {
  struct work* const work = argument;
  for (int i = 0; i < 1000; ++i) {
    qubes_storage_volume_unref(qubes_storage_volume_ref(work->volume));
    qubes_storage_pool_unref(qubes_storage_pool_ref(work->pool));
  }
  CHECK_I64(qubes_storage_volume_start(work->volume, 0, NULL), QUBES_STORAGE_OK);
  qubes_storage_pool_unref(work->pool);
  CHECK_I64(qubes_storage_volume_stop(work->volume, 0, NULL), QUBES_STORAGE_OK);
  qubes_storage_volume_unref(work->volume);
  return NULL;
}

static void references_from_everywhere(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  struct work work[kThreads];
  for (int i = 0; i < kThreads; ++i) {
    work[i] = (struct work){qubes_storage_pool_ref(pool), qubes_storage_volume_ref(volume), i};
  }
  qubes_storage_pool_unref(pool);
  qubes_storage_volume_unref(volume);
  run_threads(kThreads, use_and_drop, work);
}

/* The progress function may use the library, with another volume. */
static int32_t use_another(void* opaque, uint64_t bytes_done, uint64_t bytes_total) {
  CHECK(bytes_total == QUBES_STORAGE_UNKNOWN || bytes_done <= bytes_total);
  CHECK_I64(qubes_storage_volume_start(opaque, 0, NULL), QUBES_STORAGE_OK);
  return qubes_storage_volume_stop(opaque, 0, NULL);
}

static void reentrant_progress(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  qubes_storage_volume* other = new_origin(pool, "appvms/work/root", "two"); /* the same VM */
  make_file(place("target"), 0, NULL);
  FILE* stream = fopen(place("target"), "r+");
  WORKS(qubes_storage_volume_export_to, volume, fileno(stream), use_another, other, 0);
  rewind(stream);
  WORKS(qubes_storage_volume_import_fd, volume, fileno(stream), SIZE_OF_VOLUME, use_another, other,
        0);
  fclose(stream);
  qubes_storage_volume_unref(other);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test thread_tests[] = {
    {"two_threads_one_handle", two_threads_one_handle},
    {"two_threads_two_handles", two_threads_two_handles},
    {"two_pools_one_volume", two_pools_one_volume},
    {"many_volumes", many_volumes},
    {"neighbours_come_and_go", neighbours_come_and_go},
    {"references_from_everywhere", references_from_everywhere},
    {"reentrant_progress", reentrant_progress},
    {NULL, NULL},
};
