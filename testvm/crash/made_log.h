// SPDX-License-Identifier: LGPL-2.1-or-later
// Logs made by hand, for the tests.
#ifndef QUBES_STORAGE_TESTVM_CRASH_MADE_LOG_H
#define QUBES_STORAGE_TESTVM_CRASH_MADE_LOG_H

#include <cstring>
#include <string>
#include <vector>

#include "testvm/crash/log.h"

namespace qubes::storage::crash {

class MadeLog {
 public:
  static constexpr std::uint64_t kDataEnd = 1 << 20;
  static constexpr std::uint64_t kFlush = 1, kForced = 2, kDiscard = 4;

  MadeLog() : bytes_(kSectorBytes) { set_super(0x6a736677736872, 1, kSectorBytes); }

  void set_super(std::uint64_t magic, std::uint64_t version, std::uint32_t sector_bytes) {
    put(0, magic);
    put(8, version);
    put(24, sector_bytes);
  }

  // Whole sectors of one letter; flags without a data sector: an entry of nothing.
  void add(std::uint64_t sector, const std::string& letters, std::uint64_t flags = 0) {
    header(sector, letters.size(), flags);
    if ((flags & kDiscard) != 0) return;
    for (char letter : letters) bytes_.insert(bytes_.end(), kSectorBytes, std::byte(letter));
  }
  void flush() { add(0, "", kFlush); }
  void mark(const std::string& text) {
    header(kDataEnd / kSectorBytes, 1, 0);
    std::string sector = kMarkMagic + (' ' + text);
    sector.resize(kSectorBytes);
    for (char letter : sector) bytes_.push_back(std::byte(letter));
  }

  Bytes bytes(std::size_t cut_off = 0) {
    put(16, entries_);
    return {bytes_.data(), bytes_.size() - cut_off};
  }
  Log parsed() { return parse_log(bytes(), kDataEnd); }

 private:
  template <typename T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  void header(std::uint64_t sector, std::uint64_t sectors, std::uint64_t flags) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + kSectorBytes);
    put(at, sector);
    put(at + 8, sectors);
    put(at + 16, flags);
    put(at + 24, std::uint64_t{0});
    ++entries_;
  }

  std::vector<std::byte> bytes_;
  std::uint64_t entries_ = 0;
};

}  // namespace qubes::storage::crash

#endif
