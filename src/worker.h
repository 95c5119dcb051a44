// SPDX-License-Identifier: LGPL-2.1-or-later
// Work that is done after an operation has answered: what it costs nobody waits for, and losing it
// loses nothing.
#ifndef QUBES_STORAGE_SRC_WORKER_H
#define QUBES_STORAGE_SRC_WORKER_H

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "src/fs/filesystem.h"

namespace qubes::storage {

class Worker {
 public:
  // on_drain: nothing runs before drain, and then in the calling thread. For tests that count
  // steps.
  enum class Mode { thread, on_drain };

  explicit Worker(Mode mode) : mode_(mode) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Never throws: what cannot be queued is not done. An exception out of a task is dropped.
  void post(std::function<void()> task) noexcept;

  // Destroys inodes that lost their names, later: it is O(extents).
  void dispose(std::vector<FilePtr> garbage) noexcept;

  // Waits until nothing is queued or running.
  void drain();

 private:
  void run();
  void run_one(std::unique_lock<std::mutex>& lock);

  const Mode mode_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;  // started with the first task
};

}  // namespace qubes::storage

#endif
