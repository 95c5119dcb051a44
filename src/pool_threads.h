// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads of a pool, and what they have in hand.
#ifndef QUBES_STORAGE_SRC_POOL_THREADS_H
#define QUBES_STORAGE_SRC_POOL_THREADS_H

#include <utility>

#include "src/job_threads.h"
#include "src/precaches.h"
#include "src/worker.h"

namespace qubes::storage {

// They belong to the Pool alone, so that no thread can be the last to let go of itself: what runs
// on them holds no reference to the Pool.
struct PoolThreads {
  PoolThreads(Worker::Mode mode, Log log) : worker(mode, std::move(log)) {}

  Precaches precaches;
  Worker worker;
  JobThreads jobs;  // ends first: jobs give the worker work
};

}  // namespace qubes::storage

#endif
