// SPDX-License-Identifier: LGPL-2.1-or-later
// What copying and comparing files have in common: where the data is, whole reads and writes,
// and the test for zeros.
#ifndef QUBES_STORAGE_SRC_FS_TRANSFER_H
#define QUBES_STORAGE_SRC_FS_TRANSFER_H

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qubes::storage {

// The grain of holes, and the alignment that O_DIRECT descriptors of the caller ask for.
inline constexpr std::uint64_t kBlockBytes = 4096;
// What is moved at once: between two pieces a copy can be cancelled.
inline constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

// A descriptor that is open elsewhere, and its path for messages.
struct OpenFile {
  int fd;
  const std::string& path;
};

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

// Room for one piece, zeros at first, aligned to a block.
class PieceBuffer {
 public:
  PieceBuffer() : blocks_(kPieceBytes / kBlockBytes) {}
  std::byte* data() { return blocks_.front().bytes; }

 private:
  struct alignas(kBlockBytes) Block {
    std::byte bytes[kBlockBytes] = {};
  };
  std::vector<Block> blocks_;
};

// Walks the data of a regular file, forwards. It moves the offset of the descriptor, which may be
// shared with the caller's, and puts it back in the end.
class DataRanges {
 public:
  DataRanges(OpenFile file, std::uint64_t size_bytes);
  ~DataRanges();
  DataRanges(const DataRanges&) = delete;
  DataRanges& operator=(const DataRanges&) = delete;

  // The first data at or after `offset`, within the size; at the end [size, size).
  Range next(std::uint64_t offset);
  // Where it begins, which is cheaper to find than where it ends.
  std::uint64_t next_begin(std::uint64_t offset) const;

 private:
  Range seek(std::uint64_t offset) const;

  OpenFile file_;
  std::uint64_t size_bytes_;
  off_t offset_before_;
  std::uint64_t known_from_ = 0;  // no data between this and current_
  Range current_ = {0, 0};
};

// The end of the piece that begins at `begin` and goes no further than `end`. All pieces but the
// first of a range begin at a multiple of kPieceBytes.
std::uint64_t piece_end(std::uint64_t begin, std::uint64_t end);

struct stat stat_of(OpenFile file);

// Reads the whole range into `data`. Throws io where the file ends before it.
void read_range(OpenFile file, Range range, std::byte* data);
void write_range(OpenFile file, Range range, const std::byte* data);

void truncate_to(OpenFile file, std::uint64_t size_bytes);

bool is_zero(const std::byte* data, std::size_t length);

// The file is shorter than it was found to be.
[[noreturn]] void throw_changed(OpenFile file);

}  // namespace qubes::storage

#endif
