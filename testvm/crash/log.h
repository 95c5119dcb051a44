// SPDX-License-Identifier: LGPL-2.1-or-later
// The record of a block device's writes: what QEMU's blklogwrites and the kernel's dm-log-writes
// leave, format version 1. Writes past the end of the filesystem are not data but marks: notes
// that the recorded program left in between.
#ifndef QUBES_STORAGE_TESTVM_CRASH_LOG_H
#define QUBES_STORAGE_TESTVM_CRASH_LOG_H

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace qubes::storage::crash {

inline constexpr std::size_t kSectorBytes = 512;
inline constexpr char kMarkMagic[] = "RIGMARK1";

struct Bytes {
  const std::byte* data = nullptr;
  std::size_t size = 0;
};

struct LogError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Write {
  std::uint64_t sector = 0;
  std::uint64_t sectors = 0;
  Bytes data;              // null for a discard, which leaves zeros
  bool is_forced = false;  // FUA: durable when it is complete
  std::size_t marks_before = 0;
};

// Between two flushes. What is in it may be on its way when the power goes; what was before it is
// durable.
struct Window {
  std::size_t first = 0;  // into Log::writes
  std::size_t end = 0;
  std::size_t marks_at_start = 0;  // how many marks there were when it began, and ended
  std::size_t marks_at_end = 0;

  std::size_t size() const { return end - first; }
};

struct Log {
  std::vector<Write> writes;
  std::vector<Window> windows;
  std::vector<std::string> marks;
};

// `file` must outlive the log: the writes point into it. Entries at or past `data_end_bytes` are
// marks.
Log parse_log(Bytes file, std::uint64_t data_end_bytes);

}  // namespace qubes::storage::crash

#endif
