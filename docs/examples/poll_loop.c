/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fifty virtual machines from one poll loop: `poll_loop DIRECTORY`. Each operation is a job with a
 * descriptor, which any event loop can wait for beside its own; no thread of this program blocks.
 *
 *     cc -std=c99 poll_loop.c -o poll_loop $(pkg-config --cflags --libs qubesstorage)
 */
#include <errno.h>
#include <poll.h>
#include <qubes/storage.h>
#include <stdio.h>

enum { kMachines = 50, kSize = 1 << 30 };

struct machine {
  qubes_storage_volume* volume;
  qubes_storage_job* job; /* NULL while nothing runs */
};

typedef int32_t (*verb)(qubes_storage_volume* volume, uint32_t flags, qubes_storage_job** job,
                        qubes_storage_error** reterr);

/* Says what went wrong, and drops the error. 1, as the number of failures. */
static int failed(const char* what, qubes_storage_error* error) {
  fprintf(stderr, "%s: %s\n", what, qubes_storage_error_message(error));
  qubes_storage_error_unref(error);
  return 1;
}

/* The job has finished: its answer, and it is gone. */
static int finish(struct machine* machine) {
  qubes_storage_error* error = NULL;
  int failures = 0;
  if (qubes_storage_job_result(machine->job, &error) != 0) {
    failures = failed(qubes_storage_volume_vid(machine->volume), error);
  }
  qubes_storage_job_unref(machine->job);
  machine->job = NULL;
  return failures;
}

/* The loop: until all jobs have finished. A program with other descriptors adds them here. */
static int wait_for_all(struct machine* machines) {
  struct pollfd waiting[kMachines];
  int running = 0, failures = 0;
  for (int i = 0; i < kMachines; ++i) {
    waiting[i].fd = qubes_storage_job_fd(machines[i].job); /* -1 if there is none: ignored */
    waiting[i].events = POLLIN;
    running += waiting[i].fd != -1;
  }
  while (running > 0) {
    if (poll(waiting, kMachines, -1) == -1) {
      if (errno == EINTR) continue;
      perror("poll");
      return failures + running;
    }
    for (int i = 0; i < kMachines; ++i) {
      if (waiting[i].fd == -1 || waiting[i].revents == 0) continue;
      failures += finish(&machines[i]);
      waiting[i].fd = -1; /* the job's: it is closed with it, and must not be polled any more */
      --running;
    }
  }
  return failures;
}

/* Starts the verb for all machines, which returns at once, and waits. The number of failures. */
static int all(struct machine* machines, const char* name, verb verb) {
  int failures = 0;
  for (int i = 0; i < kMachines; ++i) {
    qubes_storage_error* error = NULL;
    if (verb(machines[i].volume, 0, &machines[i].job, &error) != 0) {
      failures += failed(name, error); /* what is wrong with the arguments is answered here */
    }
  }
  failures += wait_for_all(machines);
  printf("%s: %d done, %d failed\n", name, kMachines - failures, failures);
  return failures;
}

static int open_pool(const char* path, qubes_storage_pool** pool) {
  qubes_storage_pool_config* config = NULL;
  qubes_storage_error* error = NULL;
  int32_t result = qubes_storage_pool_config_new(path, &config, &error);
  if (result == 0) result = qubes_storage_pool_open(config, pool, &error);
  if (result == 0) result = qubes_storage_pool_setup(*pool, &error);
  qubes_storage_pool_config_unref(config);
  return result == 0 ? 0 : failed(path, error);
}

static int open_machines(qubes_storage_pool* pool, struct machine* machines) {
  qubes_storage_volume_config* config = NULL;
  qubes_storage_error* error = NULL;
  int32_t result = qubes_storage_volume_config_new(&config, &error);
  if (result == 0) result = qubes_storage_volume_config_set_size(config, kSize, &error);
  if (result == 0) result = qubes_storage_volume_config_set_save_on_stop(config, 1, &error);
  for (int i = 0; result == 0 && i < kMachines; ++i) {
    char vid[32];
    snprintf(vid, sizeof vid, "appvms/vm%02d/private", i);
    result = qubes_storage_pool_volume(pool, vid, config, &machines[i].volume, &error);
  }
  qubes_storage_volume_config_unref(config);
  return result == 0 ? 0 : failed("volumes", error);
}

int main(int argc, char** argv) {
  struct machine machines[kMachines] = {{NULL, NULL}};
  qubes_storage_pool* pool = NULL;
  int failures = open_pool(argc > 1 ? argv[1] : "pool", &pool);
  if (failures == 0) failures = open_machines(pool, machines);
  if (failures == 0) failures = all(machines, "create", qubes_storage_volume_create_async);
  if (failures == 0) failures = all(machines, "start", qubes_storage_volume_start_async);
  if (failures == 0) failures = all(machines, "stop", qubes_storage_volume_stop_async);
  for (int i = 0; i < kMachines; ++i) qubes_storage_volume_unref(machines[i].volume);
  qubes_storage_pool_unref(pool);
  return failures == 0 ? 0 : 1;
}
