// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads that jobs run on.
#ifndef QUBES_STORAGE_SRC_JOB_THREADS_H
#define QUBES_STORAGE_SRC_JOB_THREADS_H

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace qubes::storage {

class JobThreads {
 public:
  // What a task may wait for: the disk and other operations on it, or also the other end of a
  // stream, which another task may be. The latter never waits for a thread, so that no number of
  // stalled streams keeps the rest from running.
  enum class Waits { disk, stream };

  JobThreads() = default;
  // Runs what is queued, and waits for all of it.
  ~JobThreads();
  JobThreads(const JobThreads&) = delete;
  JobThreads& operator=(const JobThreads&) = delete;

  // `task` must not throw. Throws std::system_error where no thread can be started for it.
  void run(std::function<void()> task, Waits waits);

 private:
  struct Task {
    std::function<void()> body;
    Waits waits;
  };

  bool needs_thread(Waits waits) const;
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::vector<std::thread> threads_;  // each stays for the next task
  std::size_t idle_ = 0;
  std::size_t streams_ = 0;  // tasks that wait for streams, queued or running
  bool stopping_ = false;
};

}  // namespace qubes::storage

#endif
