/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api-tests DIRECTORY [PART-OF-A-NAME]: the C API as a C99 program sees it, on that filesystem. */
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { kSecondsMax = 300, kPauseMicroseconds = 10000, kPausesMax = 300 };

static const struct test* const groups[] = {
    error_tests,  config_tests,   null_tests,   pool_tests,   vid_tests,    life_tests,
    kind_tests,   resize_tests,   import_tests, export_tests, kernel_tests, block_tests,
    thread_tests, property_tests, job_tests,    fork_tests,
};

static void find_filesystem(void) {
  struct statfs status;
  if (statfs(root, &status) == -1) die(root);
  has_reflink = status.f_type == XFS_SUPER_MAGIC || status.f_type == BTRFS_SUPER_MAGIC;
}

/* A sanitizer starts a thread of its own with the first one that it sees. */
static void* tell_own_id(void* id) {
  *(pid_t*)id = (pid_t)syscall(SYS_gettid);
  return NULL;
}

/* The kernel wakes who joins a thread a moment before the thread is gone from /proc. */
static void warm_up(void) {
  pthread_t thread;
  pid_t id = 0;
  if (pthread_create(&thread, NULL, tell_own_id, &id) != 0) die("pthread_create");
  pthread_join(thread, NULL);
  while (syscall(SYS_tgkill, getpid(), id, 0) == 0) usleep(kPauseMicroseconds);
}

static int threads_come_down_to(int count) {
  for (int i = 0; i < kPausesMax && count_threads() > count; ++i) usleep(kPauseMicroseconds);
  return count_threads() == count;
}

/* Each leaves no descriptor and no thread behind. */
static void run(const struct test* test) {
  const int descriptors = count_descriptors();
  const int threads = count_threads();
  enter_test(test->name);
  test->run();
  if (!CHECK(count_descriptors() == descriptors) || !CHECK(threads_come_down_to(threads))) {
    printf("    in %s\n", test->name);
  }
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s DIRECTORY [PART-OF-A-NAME]\n", argv[0]);
    return 2;
  }
  root = realpath(argv[1], NULL);
  if (root == NULL) die(argv[1]);
  alarm(kSecondsMax); /* a hang is a failure */
  find_filesystem();
  warm_up();
  for (size_t group = 0; group < sizeof groups / sizeof groups[0]; ++group) {
    for (const struct test* test = groups[group]; test->name != NULL; ++test) {
      if (argc < 3 || strstr(test->name, argv[2]) != NULL) run(test);
    }
  }
  free((void*)root);
  return check_summary();
}
