// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/stamp.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "testvm/crash/log.h"
#include "testvm/crash/random.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

using simulation::Content;
using simulation::Symbol;

constexpr std::size_t kWords = kSectorBytes / sizeof(std::uint64_t);
using Sector = std::array<std::uint64_t, kWords>;

// Symbol, chunk and sector, and 63 words that follow from them.
Sector sector_of(Symbol symbol, std::size_t chunk, std::size_t sector) {
  Sector words;
  words[0] = 0x51'53'00'00'00'00'00'00 | std::uint64_t{symbol} << 32 | chunk << 16 | sector;
  const std::uint64_t pattern = mixed(words[0]);
  for (std::size_t i = 1; i < kWords; ++i) words[i] = pattern + i;
  return words;
}

}  // namespace

std::vector<std::byte> stamped(Symbol symbol, std::size_t chunk) {
  std::vector<std::byte> data(kChunkBytes);
  for (std::size_t at = 0; symbol != 0 && at < kChunkBytes; at += kSectorBytes) {
    const Sector words = sector_of(symbol, chunk, at / kSectorBytes);
    std::memcpy(data.data() + at, words.data(), kSectorBytes);
  }
  return data;
}

Symbol read_stamp(const std::byte* data, std::size_t size, std::size_t chunk) {
  std::uint64_t first = 0;
  if (size != kChunkBytes) return kTorn;
  std::memcpy(&first, data, sizeof first);
  const auto symbol = static_cast<Symbol>(first == 0 ? 0 : first >> 32);
  for (std::size_t at = 0; at < kChunkBytes; at += kSectorBytes) {
    const Sector wanted = symbol == 0 ? Sector{} : sector_of(symbol, chunk, at / kSectorBytes);
    if (std::memcmp(data + at, wanted.data(), kSectorBytes) != 0) return kTorn;
  }
  return symbol;
}

Content read_content(int file, const std::string& path) {
  // One call, and memory that is kept: each system call and each new page is dear in User Mode
  // Linux.
  static thread_local std::vector<std::byte> data(simulation::kBlocksMax * kChunkBytes + 1);
  const auto got = check(::pread(file, data.data(), data.size(), 0), "read", path);
  const auto size = static_cast<std::size_t>(got);
  const std::size_t chunks = (size + kChunkBytes - 1) / kChunkBytes;
  Content content;
  content.size_blocks = static_cast<std::uint8_t>(std::min(chunks, simulation::kBlocksMax));
  for (std::size_t i = 0; i < content.size_blocks; ++i) {
    const std::size_t at = i * kChunkBytes;
    content.blocks[i] = read_stamp(data.data() + at, std::min(kChunkBytes, size - at), i);
  }
  if (chunks > simulation::kBlocksMax) content.blocks.fill(kTorn);
  return content;
}

}  // namespace qubes::storage::crash
