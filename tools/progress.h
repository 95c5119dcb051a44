// SPDX-License-Identifier: LGPL-2.1-or-later
// How far a long copy is: a bar on the terminal, and the way for ^C into the library.
#ifndef QUBES_STORAGE_TOOLS_PROGRESS_H
#define QUBES_STORAGE_TOOLS_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/interrupt.h"

namespace tool {

// One copy. Draws on standard error, if that is a terminal and the copy lasts.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // A qubes_storage_progress; `opaque` is a Progress.
  static std::int32_t report(void* opaque, std::uint64_t bytes_done, std::uint64_t bytes_total);

  // What was done at the last report.
  std::uint64_t bytes_done() const { return bytes_done_; }

 private:
  using Clock = std::chrono::steady_clock;

  void draw(std::uint64_t bytes_total);
  void erase();

  std::string label_;
  InterruptGuard guard_;
  bool on_terminal_;
  bool drawn_ = false;
  std::uint64_t bytes_done_ = 0;
  Clock::time_point begun_ = Clock::now();
  Clock::time_point next_ = begun_;
};

}  // namespace tool

#endif
