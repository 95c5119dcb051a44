// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/job_threads.h"

#include <system_error>
#include <utility>

#include "src/fs/thread.h"

namespace qubes::storage {
namespace {

// They wait for the disk nearly all the time, and a filesystem makes one commit of the syncs that
// wait for it together.
constexpr std::size_t kDiskThreadsMax = 64;

}  // namespace

JobThreads::~JobThreads() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool JobThreads::needs_thread(Waits waits) const {
  if (idle_ > tasks_.size()) return false;  // one is on its way to this task
  return waits == Waits::stream || threads_.size() < kDiskThreadsMax + streams_;
}

void JobThreads::run(std::function<void()> task, Waits waits) {
  std::lock_guard guard(mutex_);
  if (needs_thread(waits)) {
    try {
      threads_.reserve(threads_.size() + 1);  // so that no thread is lost to a full memory
      threads_.push_back(start_thread([this] { serve(); }));
    } catch (const std::system_error&) {
      // Whoever waits for the disk only can wait for a thread as well.
      if (waits == Waits::stream || threads_.empty()) throw;
    }
  }
  if (waits == Waits::stream) {
    tasks_.push_front({std::move(task), waits});  // its thread takes this, not what waits for one
    ++streams_;
  } else {
    tasks_.push_back({std::move(task), waits});
  }
  changed_.notify_one();
}

void JobThreads::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task.body();
    task.body = nullptr;  // what it held goes before the lock is taken
    lock.lock();
    if (task.waits == Waits::stream) --streams_;
  }
}

}  // namespace qubes::storage
