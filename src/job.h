// SPDX-License-Identifier: LGPL-2.1-or-later
// An operation that runs on a thread of the library: how others wait for it, watch it, end it.
#ifndef QUBES_STORAGE_SRC_JOB_H
#define QUBES_STORAGE_SRC_JOB_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "src/fs/event.h"
#include "src/fs/filesystem.h"

namespace qubes::storage {

class Job {
 public:
  // What it does; the Progress that it is given throws `cancelled` after cancel(). It keeps its
  // result, failures included, where it can be read once finished() is true.
  using Body = std::function<void(const Progress&)>;

  explicit Job(Body body) : body_(std::move(body)) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Once, by the thread that it was given to.
  void run() noexcept;

  // Becomes readable when the job has finished, and stays so.
  int fd() const { return event_.fd(); }

  bool finished() const;

  // False where the time was over before the job had finished. Without a timeout: true.
  bool wait(std::optional<std::chrono::milliseconds> timeout);

  struct Bytes {
    std::uint64_t done = 0;
    std::optional<std::uint64_t> total;
  };
  Bytes progress() const;

  // Asks it to end; between steps it looks.
  void cancel() { cancelled_ = true; }

 private:
  void report(std::uint64_t done, std::optional<std::uint64_t> total);

  Body body_;
  Event event_;
  std::atomic<bool> cancelled_ = false;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool finished_ = false;
  Bytes bytes_;
};

}  // namespace qubes::storage

#endif
