// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/worker.h"

#include <exception>
#include <memory>
#include <utility>

#include "src/fs/thread.h"

namespace qubes::storage {

Worker::~Worker() {
  drain();
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::post(std::string name, std::function<void()> task) noexcept {
  try {
    std::lock_guard guard(mutex_);
    if (mode_ == Mode::thread && !thread_.joinable()) {
      thread_ = start_thread([this] { run(); });
    }
    tasks_.push_back({std::move(name), std::move(task)});
    changed_.notify_all();
  } catch (...) {
    // Out of memory or threads.
  }
}

void Worker::dispose(const Vid& vid, std::vector<FilePtr> garbage) noexcept {
  if (garbage.empty()) return;
  try {
    // std::function wants something that can be copied.
    auto shared = std::make_shared<std::vector<FilePtr>>(std::move(garbage));
    post("blocks of " + vid.text(), [shared] { shared->clear(); });
  } catch (...) {
    // Out of memory: it was destroyed here.
  }
}

void Worker::run_logged(const Task& task) {
  try {
    try {
      task.body();
    } catch (const std::exception& error) {
      // It makes the next start slower, nothing else.
      if (log_) log_(LogLevel::warning, task.name + ": " + error.what());
      return;
    }
    if (log_) log_(LogLevel::info, task.name + ": done");
  } catch (...) {
    // Out of memory for the message.
  }
}

void Worker::run_one(std::unique_lock<std::mutex>& lock) {
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  running_ = true;
  lock.unlock();
  run_logged(task);
  task.body = nullptr;  // what it held goes before the lock is taken
  lock.lock();
  running_ = false;
  changed_.notify_all();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    run_one(lock);
  }
}

void Worker::drain() {
  std::unique_lock lock(mutex_);
  if (mode_ == Mode::on_drain) {
    while (!tasks_.empty()) run_one(lock);
  } else {
    changed_.wait(lock, [this] { return tasks_.empty() && !running_; });
  }
}

Worker::Load Worker::load() {
  std::lock_guard guard(mutex_);
  return {tasks_.size(), running_ ? std::size_t{1} : std::size_t{0}};
}

}  // namespace qubes::storage
