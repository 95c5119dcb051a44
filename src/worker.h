// SPDX-License-Identifier: LGPL-2.1-or-later
// Work that is done after an operation has answered: what it costs nobody waits for, and losing it
// loses nothing.
#ifndef QUBES_STORAGE_SRC_WORKER_H
#define QUBES_STORAGE_SRC_WORKER_H

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/fs/filesystem.h"
#include "src/log.h"
#include "src/names.h"

namespace qubes::storage {

class Worker {
 public:
  // on_drain: nothing runs before drain, and then in the calling thread. For tests that count
  // steps.
  enum class Mode { thread, on_drain };

  explicit Worker(Mode mode, Log log = nullptr) : mode_(mode), log_(std::move(log)) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Never throws: what cannot be queued is not done. What a task throws goes into the log, under
  // the name of the task.
  void post(std::string name, std::function<void()> task) noexcept;

  // Destroys inodes that a volume's names have left, later: it is O(extents).
  void dispose(const Vid& vid, std::vector<FilePtr> garbage) noexcept;

  // Waits until nothing is queued or running.
  void drain();

  struct Load {
    std::size_t waiting = 0;
    std::size_t running = 0;
  };
  Load load();

 private:
  struct Task {
    std::string name;
    std::function<void()> body;
  };

  void run();
  void run_one(std::unique_lock<std::mutex>& lock);
  void run_logged(const Task& task);

  const Mode mode_;
  const Log log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;  // started with the first task
};

}  // namespace qubes::storage

#endif
