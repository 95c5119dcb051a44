// SPDX-License-Identifier: LGPL-2.1-or-later
// How far a long copy is: a bar on the terminal, and the way for ^C into the library.
#include "tools/progress.h"

#include <qubes/storage.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tools/error.h"
#include "tools/output.h"
#include "tools/text.h"

namespace tool {
namespace {

using namespace std::chrono_literals;

constexpr auto kQuietTime = 500ms;  // a copy that is over by then draws nothing
constexpr auto kInterval = 100ms;
constexpr std::size_t kBarMax = 40;
constexpr std::size_t kColumnsDefault = 80;
constexpr const char* kToLineStart = "\r\033[K";

std::size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsDefault;
  return size.ws_col;
}

std::string bar(double part, std::size_t columns) {
  const auto full = static_cast<std::size_t>(std::lround(part * static_cast<double>(columns)));
  return "[" + std::string(full, '#') + std::string(columns - full, '-') + "]";
}

std::string percent(double part) {
  const std::string number = std::to_string(std::lround(part * 100));
  return std::string(3 - std::min<std::size_t>(3, number.size()), ' ') + number + "%";
}

// Whole units are enough for what changes ten times a second.
std::string per_second(std::uint64_t bytes, double seconds) {
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds);
  const std::uint64_t mebibyte = std::uint64_t{1} << 20;
  return format_size(rate / mebibyte * mebibyte) + "/s";
}

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)), on_terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  try {
    erase();
  } catch (const Error&) {
    // A bar that cannot be erased is no reason to fail.
  }
}

std::int32_t Progress::report(void* opaque, std::uint64_t bytes_done, std::uint64_t bytes_total) {
  auto& self = *static_cast<Progress*>(opaque);
  self.bytes_done_ = bytes_done;
  if (InterruptGuard::signal() != 0) return 1;
  try {
    self.draw(bytes_total);
  } catch (const std::exception&) {
    self.on_terminal_ = false;  // the terminal is gone: go on without it
  }
  return 0;
}

void Progress::draw(std::uint64_t bytes_total) {
  const Clock::time_point now = Clock::now();
  if (!on_terminal_ || now - begun_ < kQuietTime || now < next_) return;
  next_ = now + kInterval;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const std::string rate = per_second(bytes_done_, seconds);
  std::string line;
  if (bytes_total == QUBES_STORAGE_UNKNOWN || bytes_total == 0) {
    line = label_ + "  " + format_size(bytes_done_) + "  " + rate;
  } else {
    const double part =
        std::min(1.0, static_cast<double>(bytes_done_) / static_cast<double>(bytes_total));
    const std::string tail = percent(part) + "  " + format_size(bytes_done_) + " of " +
                             format_size(bytes_total) + "  " + rate;
    const std::size_t columns = terminal_columns();
    const std::size_t taken = label_.size() + tail.size() + 7;  // spaces, brackets, the last column
    const std::size_t room = columns > taken ? columns - taken : 0;
    line = label_ + "  " + bar(part, std::min(room, kBarMax)) + "  " + tail;
  }
  write_all(STDERR_FILENO, kToLineStart + line);
  drawn_ = true;
}

void Progress::erase() {
  if (drawn_) write_all(STDERR_FILENO, kToLineStart);
  drawn_ = false;
}

}  // namespace tool
