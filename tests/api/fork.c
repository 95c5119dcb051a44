/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a child of fork() can do with the handles of its parent, which has threads: nothing; and
 * with its own: everything. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { kSecondsOfChild = 60, kPauseMicroseconds = 10000, kPausesMax = 300 };

/* Handles of a parent whose job is under way: it imports from a pipe that nobody writes to. */
struct family {
  qubes_storage_pool* pool;
  qubes_storage_volume* volume;
  qubes_storage_job* job;
  int ends[2];
};

static struct family new_family(void) {
  struct family family = {new_pool(), NULL, NULL, {-1, -1}};
  family.volume = new_origin(family.pool, "appvms/work/private", "parent");
  CHECK(pipe(family.ends) == 0);
  WORKS(qubes_storage_volume_import_fd_async, family.volume, family.ends[0], QUBES_STORAGE_UNKNOWN,
        0, &family.job);
  return family;
}

static void end_family(struct family* family) {
  WORKS(qubes_storage_job_cancel, family->job);
  WORKS(qubes_storage_job_wait, family->job, -1);
  FAILS(REFUSED(CANCELLED), qubes_storage_job_result, family->job);
  WORKS(qubes_storage_volume_start, family->volume, 0);
  CHECK(has_text(qubes_storage_volume_path(family->volume), 0, "parent"));
  WORKS(qubes_storage_volume_stop, family->volume, 0);
  qubes_storage_job_unref(family->job);
  qubes_storage_volume_unref(family->volume);
  qubes_storage_pool_unref(family->pool);
  close(family->ends[0]);
  close(family->ends[1]);
}

/* The child answers with its status: what it counts is not the parent's. */
static void in_child(struct family* family, int (*body)(struct family*)) {
  const pid_t child = fork();
  if (child == -1) die("fork");
  if (child == 0) {
    alarm(kSecondsOfChild); /* a hang is a failure */
    _exit(body(family) ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_I64(status, 0);
}

static int refused(int32_t result, qubes_storage_error** error, const char* argument) {
  const int good = result == QUBES_STORAGE_INVALID && *error != NULL &&
                   strcmp(qubes_storage_error_step(*error), "check argument") == 0 &&
                   strcmp(qubes_storage_error_path(*error), argument) == 0;
  qubes_storage_error_unref(*error);
  *error = NULL;
  return CHECK(good);
}

static int use_all(struct family* family) {
  qubes_storage_error* error = NULL;
  qubes_storage_pool_info* info = NULL;
  qubes_storage_volume* volume = NULL;
  qubes_storage_job* job = NULL;
  int good = refused(qubes_storage_pool_get_info(family->pool, &info, &error), &error, "pool");
  good &= refused(qubes_storage_pool_drain(family->pool, &error), &error, "pool");
  good &= refused(qubes_storage_pool_drain_async(family->pool, &job, &error), &error, "pool");
  good &= refused(qubes_storage_pool_volume(family->pool, "appvms/a/b", NULL, &volume, &error),
                  &error, "pool");
  good &= refused(qubes_storage_volume_start(family->volume, 0, &error), &error, "volume");
  good &=
      refused(qubes_storage_volume_stop_async(family->volume, 0, &job, &error), &error, "volume");
  good &= refused(qubes_storage_job_wait(family->job, -1, &error), &error, "job");
  good &= refused(qubes_storage_job_cancel(family->job, &error), &error, "job");
  good &= refused(qubes_storage_job_result(family->job, &error), &error, "job");
  return good && CHECK(info == NULL && volume == NULL && job == NULL);
}

/* As the end of a program in a language with destructors does. */
static int drop_all(struct family* family) {
  qubes_storage_job_unref(family->job);
  qubes_storage_volume_unref(family->volume);
  qubes_storage_pool_unref(family->pool);
  return 1;
}

static int have_own(struct family* family) {
  (void)family;
  const int threads = count_threads(); /* those of the parent are not here */
  qubes_storage_pool* pool = open_pool();
  qubes_storage_volume* volume = new_volume(pool, "appvms/work/volatile", &volatile_kind);
  qubes_storage_job* job = NULL;
  int good = qubes_storage_volume_start_async(volume, 0, &job, NULL) == QUBES_STORAGE_OK &&
             qubes_storage_job_wait(job, -1, NULL) == QUBES_STORAGE_OK &&
             qubes_storage_job_result(job, NULL) == QUBES_STORAGE_OK &&
             qubes_storage_volume_stop(volume, 0, NULL) == QUBES_STORAGE_OK;
  qubes_storage_pool_unref(pool);
  qubes_storage_job_unref(job);
  qubes_storage_volume_unref(volume);
  for (int i = 0; i < kPausesMax && count_threads() > threads; ++i) {
    usleep(kPauseMicroseconds);
  }
  return CHECK(good) && CHECK(count_threads() == threads);
}

static void run_family(int (*body)(struct family*)) {
  struct family family = new_family();
  in_child(&family, body);
  end_family(&family);
}

static void fork_child_is_refused(void) {
  run_family(use_all);
}
static void fork_child_drops_nothing(void) {
  run_family(drop_all);
}
static void fork_child_has_its_own(void) {
  run_family(have_own);
}

const struct test fork_tests[] = {
    {"fork_child_is_refused", fork_child_is_refused},
    {"fork_child_drops_nothing", fork_child_drops_nothing},
    {"fork_child_has_its_own", fork_child_has_its_own},
    {NULL, NULL},
};
