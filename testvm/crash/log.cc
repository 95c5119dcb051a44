// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/log.h"

#include <cstring>

namespace qubes::storage::crash {
namespace {

constexpr std::uint64_t kMagic = 0x6a736677736872;
constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kFlush = 1, kForced = 2, kDiscard = 4, kMark = 8;

// On disk, little-endian; one in the first sector, then a header before each entry's data.
struct Super {
  std::uint64_t magic, version, entries;
  std::uint32_t sector_bytes;
};

struct Header {
  std::uint64_t sector, sectors, flags, data_bytes;
};

template <typename T>
T read_at(Bytes file, std::size_t offset) {
  if (offset > file.size || file.size - offset < sizeof(T)) {
    throw LogError("the log ends in the middle of an entry, at byte " + std::to_string(offset));
  }
  T value;
  std::memcpy(&value, file.data + offset, sizeof value);
  return value;
}

class Parser {
 public:
  Parser(Bytes file, std::uint64_t data_end_bytes)
      : file_(file), data_end_(data_end_bytes / kSectorBytes) {}

  Log run() {
    const auto super = read_at<Super>(file_, 0);
    if (super.magic != kMagic) throw LogError("not a log of writes: wrong magic number");
    if (super.version != kVersion) {
      throw LogError("a log of version " + std::to_string(super.version) + ", not 1");
    }
    if (super.sector_bytes != kSectorBytes) {
      throw LogError("a log with sectors of " + std::to_string(super.sector_bytes) +
                     " bytes: record with log-sector-size=512");
    }
    offset_ = kSectorBytes;
    for (std::uint64_t i = 0; i < super.entries; ++i) entry();
    end_window();
    return std::move(log_);
  }

 private:
  void entry() {
    const auto header = read_at<Header>(file_, offset_);
    offset_ += kSectorBytes;
    if ((header.flags & kMark) != 0) {
      add_mark(take(header.data_bytes));
      return;
    }
    const bool is_discard = (header.flags & kDiscard) != 0;
    const Bytes data = is_discard ? Bytes{} : take(header.sectors * kSectorBytes);
    // A flush that carries data covers what was before it, not the data.
    if ((header.flags & kFlush) != 0) end_window();
    if (header.sectors == 0) return;
    if (header.sector >= data_end_) {
      if (!is_discard) add_mark(data);
    } else if (header.sector + header.sectors > data_end_) {
      throw LogError("a write across the end of the filesystem: its size was not pinned");
    } else {
      log_.writes.push_back(
          {header.sector, header.sectors, data, (header.flags & kForced) != 0, log_.marks.size()});
    }
  }

  Bytes take(std::uint64_t size) {
    const std::uint64_t padded = (size + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
    if (offset_ > file_.size || file_.size - offset_ < padded) {
      throw LogError("the log ends in the middle of the data of an entry");
    }
    const Bytes data{file_.data + offset_, static_cast<std::size_t>(size)};
    offset_ += static_cast<std::size_t>(padded);
    return data;
  }

  void add_mark(Bytes data) {
    const std::string text(reinterpret_cast<const char*>(data.data),
                           strnlen(reinterpret_cast<const char*>(data.data), data.size));
    if (text.rfind(kMarkMagic, 0) == 0) log_.marks.push_back(text.substr(sizeof kMarkMagic));
  }

  void end_window() {
    const std::size_t first = log_.windows.empty() ? 0 : log_.windows.back().end;
    log_.windows.push_back({first, log_.writes.size(), marks_at_start_, log_.marks.size()});
    marks_at_start_ = log_.marks.size();
  }

  const Bytes file_;
  const std::uint64_t data_end_;  // in sectors
  std::size_t offset_ = 0;
  std::size_t marks_at_start_ = 0;
  Log log_;
};

}  // namespace

Log parse_log(Bytes file, std::uint64_t data_end_bytes) {
  return Parser(file, data_end_bytes).run();
}

}  // namespace qubes::storage::crash
