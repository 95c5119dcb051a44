/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs: each `_async` twin does what its function does; waiting, watching, cancelling, dropping. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { kPatienceMs = 60000, kPauseUs = 1000, kManyVolumes = 100 };

static int is_readable(qubes_storage_job* job) {
  struct pollfd waiting = {qubes_storage_job_fd(job), POLLIN, 0};
  return poll(&waiting, 1, 0) == 1;
}

/* Waits for the job by its descriptor, as an event loop does. Its result. */
static int32_t ended(qubes_storage_job* job, qubes_storage_error** reterr) {
  struct pollfd waiting = {qubes_storage_job_fd(job), POLLIN, 0};
  CHECK(poll(&waiting, 1, kPatienceMs) == 1);
  CHECK(is_readable(job)); /* it stays so */
  return qubes_storage_job_result(job, reterr);
}

/* The twin makes a job, and the job does well. */
#define DONE(twin, ...)                                                                       \
  do {                                                                                        \
    qubes_storage_job* job_ = NULL;                                                           \
    WORKS(twin, __VA_ARGS__, &job_);                                                          \
    check_works(ended(job_, check_reterr()), #twin "(" #__VA_ARGS__ ")", __FILE__, __LINE__); \
    qubes_storage_job_unref(job_);                                                            \
  } while (0)

static void jobs_life(void) {
  qubes_storage_pool* pool = open_pool();
  DONE(qubes_storage_pool_setup_async, pool);
  qubes_storage_volume* volume = new_volume(pool, "appvms/work/private", &origin_kind);
  DONE(qubes_storage_volume_create_async, volume, 0);
  DONE(qubes_storage_volume_verify_async, volume);
  DONE(qubes_storage_volume_resize_async, volume, 2 * SIZE_OF_VOLUME, 0);
  CHECK_U64(volume_size(volume), 2 * SIZE_OF_VOLUME);
  DONE(qubes_storage_volume_start_async, volume, 0);
  write_text(qubes_storage_volume_path(volume), 0, "one");
  DONE(qubes_storage_volume_stop_async, volume, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, "one"));
  DONE(qubes_storage_volume_start_async, volume, 0);
  write_text(qubes_storage_volume_path(volume), 0, "two");
  DONE(qubes_storage_volume_discard_async, volume, 0);
  DONE(qubes_storage_volume_revert_async, volume, 0, 0);
  CHECK(has_text(image_of(volume, ".img"), 0, ""));
  DONE(qubes_storage_volume_set_revisions_to_keep_async, volume, 3);
  DONE(qubes_storage_volume_prune_async, volume, 0, 0);
  CHECK_U64(revisions_of(volume), 0);
  DONE(qubes_storage_pool_drain_async, pool);
  DONE(qubes_storage_volume_remove_async, volume, 0);
  CHECK(!is_there(image_of(volume, ".img")));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void jobs_import_export(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* from = new_origin(pool, "appvms/a/private", "source");
  qubes_storage_volume* to = new_volume(pool, "appvms/b/private", &origin_kind);
  DONE(qubes_storage_volume_import_volume_async, to, from, 0);
  CHECK(has_text(image_of(to, ".img"), 0, "source"));
  DONE(qubes_storage_volume_import_begin_async, to, 4096, 0);
  write_text(qubes_storage_volume_import_path(to), 0, "by hand");
  DONE(qubes_storage_volume_import_end_async, to, 1, 0);
  CHECK(has_text(image_of(to, ".img"), 0, "by hand"));

  /* Both ends of one pipe, each a job; the twins keep duplicates of the descriptors. */
  int ends[2];
  qubes_storage_job* reading = NULL;
  qubes_storage_job* writing = NULL;
  CHECK(pipe(ends) == 0);
  WORKS(qubes_storage_volume_import_fd_async, to, ends[0], SIZE_OF_VOLUME, 0, &reading);
  close(ends[0]);
  WORKS(qubes_storage_volume_export_to_async, from, ends[1], 0, &writing);
  close(ends[1]);
  CHECK_I64(ended(writing, NULL), QUBES_STORAGE_OK);
  CHECK_I64(ended(reading, NULL), QUBES_STORAGE_OK);
  uint64_t done = 0, total = 0;
  WORKS(qubes_storage_job_progress, reading, &done, &total);
  CHECK_U64(done, SIZE_OF_VOLUME);
  CHECK_U64(total, SIZE_OF_VOLUME);
  CHECK(has_text(image_of(to, ".img"), 0, "source"));
  qubes_storage_job_unref(reading);
  qubes_storage_job_unref(writing);

  qubes_storage_job* job = NULL;
  int fd = 77;
  WORKS(qubes_storage_volume_export_fd_async, from, 0, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_fd, job, &fd);
  CHECK(fd_has_text(fd, 0, "source"));
  close(fd);
  fd = 77;
  FAILS(REFUSED(NOT_FOUND), qubes_storage_job_get_fd, job, &fd);
  CHECK_I64(fd, 77);
  qubes_storage_job_unref(job);
  qubes_storage_volume_unref(to);
  qubes_storage_volume_unref(from);
  qubes_storage_pool_unref(pool);
}

static void jobs_pool_outputs(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/a/private", "text");
  const char* const candidates[] = {"/", place("elsewhere")};
  qubes_storage_job* job = NULL;
  qubes_storage_pool_info* info = NULL;
  qubes_storage_volumes* volumes = NULL;
  qubes_storage_report* report = NULL;
  int64_t index = 77;

  WORKS(qubes_storage_pool_get_info_async, pool, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_pool_info, job, &info);
  CHECK(qubes_storage_pool_info_is_online(info));
  qubes_storage_pool_info_unref(info);
  qubes_storage_job_unref(job);

  WORKS(qubes_storage_pool_list_async, pool, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_volumes, job, &volumes);
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), "appvms/a/private");
  qubes_storage_volumes_unref(volumes);
  FAILS(BAD("job"), qubes_storage_job_get_report, job, &report);
  qubes_storage_job_unref(job);

  make_file(image_of(volume, ".img~aaaaaaaa"), 0, "");
  WORKS(qubes_storage_pool_recover_async, pool, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_report, job, &report);
  CHECK_U64(qubes_storage_report_count(report), 1);
  qubes_storage_report_unref(report);
  qubes_storage_job_unref(job);

  WORKS(qubes_storage_pool_included_in_async, pool, candidates, 2, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_index, job, &index);
  CHECK_I64(index, 0);
  qubes_storage_job_unref(job);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void jobs_volume_outputs(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/a/private", "text");
  qubes_storage_job* job = NULL;
  qubes_storage_volume_info* info = NULL;
  qubes_storage_revisions* revisions = NULL;
  run_session(volume, "next");
  WORKS(qubes_storage_volume_get_info_async, volume, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_volume_info, job, &info);
  CHECK_U64(qubes_storage_volume_info_size_bytes(info), SIZE_OF_VOLUME);
  qubes_storage_volume_info_unref(info);
  qubes_storage_job_unref(job);
  WORKS(qubes_storage_volume_get_revisions_async, volume, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_revisions, job, &revisions);
  CHECK_U64(qubes_storage_revisions_count(revisions), 1);
  qubes_storage_revisions_unref(revisions);
  qubes_storage_job_unref(job);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void jobs_files(void) {
  const char* const file = place("a");
  qubes_storage_job* job = NULL;
  int32_t answer = 77;
  DONE(qubes_storage_file_create_sparse_async, file, SIZE_OF_VOLUME);
  DONE(qubes_storage_file_resize_async, file, 2 * SIZE_OF_VOLUME);
  CHECK_U64(size_of(file), 2 * SIZE_OF_VOLUME);
  DONE(qubes_storage_loop_refresh_async, file);
  WORKS(qubes_storage_file_clone_async, file, place("b"), QUBES_STORAGE_UNKNOWN, 0, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_reflinked, job, &answer);
  CHECK_I64(answer, has_reflink);
  CHECK_U64(size_of(place("b")), 2 * SIZE_OF_VOLUME);
  FAILS(BAD("job"), qubes_storage_job_get_supported, job, &answer);
  qubes_storage_job_unref(job);
  WORKS(qubes_storage_reflink_supported_async, place("."), NULL, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_OK);
  WORKS(qubes_storage_job_get_supported, job, &answer);
  CHECK_I64(answer, has_reflink);
  qubes_storage_job_unref(job);
}

/* What a verb refuses is the job's answer, with its error; and what is no output of it. */
static void jobs_failures(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_volume(pool, "appvms/a/private", &origin_kind);
  qubes_storage_job* job = NULL;
  int fd = 77;
  WORKS(qubes_storage_volume_start_async, volume, 0, &job);
  CHECK_I64(ended(job, NULL), QUBES_STORAGE_NOT_FOUND);
  FAILS(CODE(NOT_FOUND), qubes_storage_job_result, job);
  FAILS(CODE(NOT_FOUND), qubes_storage_job_get_fd, job, &fd);
  WORKS(qubes_storage_job_wait, job, -1); /* the waiting went well */
  WORKS(qubes_storage_job_wait, job, 0);
  WORKS(qubes_storage_job_cancel, job); /* too late: nothing changes */
  FAILS(CODE(NOT_FOUND), qubes_storage_job_result, job);
  FAILS(BAD("timeout_ms"), qubes_storage_job_wait, job, -2);
  qubes_storage_job_unref(job);

  job = UNTOUCHED;
  FAILS(BAD("flags"), qubes_storage_volume_start_async, volume, 1u, &job);
  FAILS(BAD("size_bytes"), qubes_storage_volume_resize_async, volume, UINT64_MAX - 1, 0, &job);
  FAILS(BAD("success"), qubes_storage_volume_import_end_async, volume, 2, 0, &job);
  FAILS(BAD("fd"), qubes_storage_volume_export_to_async, volume, -1, 0, &job);
  FAILS(CODE(INVALID), qubes_storage_volume_import_fd_async, volume, closed_descriptor(),
        QUBES_STORAGE_UNKNOWN, 0, &job);
  CHECK(job == UNTOUCHED);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* An import from a pipe that nobody writes to: unfinished for as long as we like. */
static void jobs_cancel(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/a/private", "before");
  char* const before = listing(place("pool"));
  qubes_storage_job* job = NULL;
  uint64_t done = 77, total = 77;
  int ends[2];
  CHECK(pipe(ends) == 0);
  WORKS(qubes_storage_volume_import_fd_async, volume, ends[0], 4096, 0, &job);
  FAILS(REFUSED(TIMEOUT), qubes_storage_job_wait, job, 20);
  FAILS(REFUSED(BUSY), qubes_storage_job_result, job);
  CHECK(!is_readable(job));
  CHECK(write(ends[1], "abc", 3) == 3);
  while (done != 3) {
    usleep(kPauseUs);
    WORKS(qubes_storage_job_progress, job, &done, &total);
  }
  WORKS(qubes_storage_job_cancel, job);
  WORKS(qubes_storage_job_wait, job, kPatienceMs);
  FAILS(REFUSED(CANCELLED), qubes_storage_job_result, job);
  qubes_storage_job_unref(job);
  close(ends[0]);
  close(ends[1]);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

/* Stalled streams, more than there are threads for the disk, keep nobody else from working. */
static void jobs_many(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volumes[kManyVolumes];
  qubes_storage_job* stalled[kManyVolumes];
  qubes_storage_job* jobs[kManyVolumes];
  char vid[] = "appvms/vm000/private";
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < kManyVolumes; ++i) {
    vid[9] = (char)('0' + i / 100);
    vid[10] = (char)('0' + i / 10 % 10);
    vid[11] = (char)('0' + i % 10);
    volumes[i] = new_volume(pool, vid, &origin_kind);
    WORKS(qubes_storage_volume_import_fd_async, volumes[i], ends[0], QUBES_STORAGE_UNKNOWN, 0,
          &stalled[i]);
  }
  close(ends[0]);
  qubes_storage_volume* other = new_volume(pool, "appvms/other/private", &origin_kind);
  DONE(qubes_storage_volume_create_async, other, 0);
  qubes_storage_volume_unref(other);
  close(ends[1]); /* each reads nothing, to the end: an empty image */
  for (int i = 0; i < kManyVolumes; ++i) {
    CHECK_I64(ended(stalled[i], NULL), QUBES_STORAGE_OK);
    qubes_storage_job_unref(stalled[i]);
    WORKS(qubes_storage_volume_start_async, volumes[i], 0, &jobs[i]);
  }
  for (int i = 0; i < kManyVolumes; ++i) {
    CHECK_I64(ended(jobs[i], NULL), QUBES_STORAGE_OK);
    qubes_storage_job_unref(jobs[i]);
    CHECK(volume_is_started(volumes[i]));
    qubes_storage_volume_unref(volumes[i]);
  }
  qubes_storage_pool_unref(pool);
}

/* Whichever handle goes last waits; the caller of each test counts threads and descriptors. */
static void jobs_dropped(void) {
  static const char* const orders[] = {"jvp", "jpv", "vjp", "vpj", "pjv", "pvj"};
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; ++i) {
    qubes_storage_pool* pool = i == 0 ? new_pool() : open_pool();
    qubes_storage_volume* volume = new_volume(pool, "appvms/a/private", &volatile_kind);
    qubes_storage_job* job = NULL;
    WORKS(qubes_storage_volume_start_async, volume, 0, &job);
    CHECK(qubes_storage_job_ref(job) == job);
    qubes_storage_job_unref(job);
    for (const char* handle = orders[i]; *handle != '\0'; ++handle) {
      if (*handle == 'j') qubes_storage_job_unref(job);
      if (*handle == 'v') qubes_storage_volume_unref(volume);
      if (*handle == 'p') qubes_storage_pool_unref(pool);
    }
    CHECK(is_there(joined(place("pool"), "appvms/a/private-dirty.img")));
  }
}

static void log_to(void* opaque, int32_t level, const char* message) {
  if (level == QUBES_STORAGE_LOG_INFO && strstr(message, "appvms/a/private") != NULL) {
    __atomic_add_fetch((int*)opaque, 1, __ATOMIC_SEQ_CST);
  }
}

static void jobs_background(void) {
  qubes_storage_pool_unref(new_pool());
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool* pool = NULL;
  qubes_storage_pool_info* info = NULL;
  int lines = 0;
  WORKS(qubes_storage_pool_config_new, place("pool"), &config);
  WORKS(qubes_storage_pool_config_set_log, config, log_to, &lines);
  WORKS(qubes_storage_pool_open, config, &pool);
  WORKS(qubes_storage_pool_config_set_log, config, NULL, NULL);
  qubes_storage_pool_config_unref(config);
  qubes_storage_volume* volume = new_volume(pool, "appvms/a/private", &origin_kind);
  WORKS(qubes_storage_volume_create, volume, 0);
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_volume_discard, volume, 0);
  WORKS(qubes_storage_pool_drain, pool);
  CHECK(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) > 0);
  WORKS(qubes_storage_pool_get_info, pool, &info);
  CHECK_U64(qubes_storage_pool_info_background_waiting(info), 0);
  CHECK_U64(qubes_storage_pool_info_background_running(info), 0);
  qubes_storage_pool_info_unref(info);
  CHECK_U64(qubes_storage_pool_info_background_waiting(NULL), 0);
  CHECK_U64(qubes_storage_pool_info_background_running(NULL), 0);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test job_tests[] = {
    {"jobs_life", jobs_life},
    {"jobs_import_export", jobs_import_export},
    {"jobs_pool_outputs", jobs_pool_outputs},
    {"jobs_volume_outputs", jobs_volume_outputs},
    {"jobs_files", jobs_files},
    {"jobs_failures", jobs_failures},
    {"jobs_cancel", jobs_cancel},
    {"jobs_many", jobs_many},
    {"jobs_dropped", jobs_dropped},
    {"jobs_background", jobs_background},
    {NULL, NULL},
};
