// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/job.h"

#include "src/fs/error.h"

namespace qubes::storage {

void Job::run() noexcept {
  body_([this](std::uint64_t done, std::optional<std::uint64_t> total) { report(done, total); });
  body_ = nullptr;  // What it held goes before anybody is told.
  std::lock_guard guard(mutex_);
  finished_ = true;
  event_.set();
  changed_.notify_all();
}

void Job::report(std::uint64_t done, std::optional<std::uint64_t> total) {
  if (cancelled_) refuse(Code::cancelled, "run job", "", "it was asked to stop");
  std::lock_guard guard(mutex_);
  bytes_ = {done, total};
}

bool Job::finished() const {
  std::lock_guard guard(mutex_);
  return finished_;
}

bool Job::wait(std::optional<std::chrono::milliseconds> timeout) {
  std::unique_lock lock(mutex_);
  const auto is_finished = [this] { return finished_; };
  if (timeout) return changed_.wait_for(lock, *timeout, is_finished);
  changed_.wait(lock, is_finished);
  return true;
}

Job::Bytes Job::progress() const {
  std::lock_guard guard(mutex_);
  return bytes_;
}

}  // namespace qubes::storage
