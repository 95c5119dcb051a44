// SPDX-License-Identifier: LGPL-2.1-or-later
// Whole reads and writes over pread(2) and pwrite(2), and SEEK_DATA and SEEK_HOLE.
#include "src/fs/transfer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {

DataRanges::DataRanges(OpenFile file, std::uint64_t size_bytes)
    : file_(file), size_bytes_(size_bytes), offset_before_(::lseek(file.fd, 0, SEEK_CUR)) {
  if (offset_before_ == -1) throw_errno(errno, "seek in", file.path);
}

DataRanges::~DataRanges() {
  ::lseek(file_.fd, offset_before_, SEEK_SET);
}

Range DataRanges::next(std::uint64_t offset) {
  // Only beyond what is known: to find the end of a range can cost O(extents) each time.
  if (offset < known_from_ || offset >= current_.end) {
    current_ = seek(offset);
    known_from_ = offset;
  }
  return {std::max(offset, current_.begin), current_.end};
}

std::uint64_t DataRanges::next_begin(std::uint64_t offset) const {
  if (offset >= size_bytes_) return size_bytes_;
  const off_t data = ::lseek(file_.fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data != -1) return std::min(size_bytes_, static_cast<std::uint64_t>(data));
  if (errno == ENXIO) return size_bytes_;
  // A filesystem that does not know its holes: all is data.
  if (errno == EINVAL || errno == EOPNOTSUPP) return offset;
  throw_errno(errno, "find the data of", file_.path);
}

Range DataRanges::seek(std::uint64_t offset) const {
  const std::uint64_t begin = next_begin(offset);
  if (begin == size_bytes_) return {size_bytes_, size_bytes_};
  const off_t hole = ::lseek(file_.fd, static_cast<off_t>(begin), SEEK_HOLE);
  // ENXIO: cut short between the two calls. The read finds out. The others: as above.
  if (hole == -1 && errno != ENXIO && errno != EINVAL && errno != EOPNOTSUPP) {
    throw_errno(errno, "find the holes of", file_.path);
  }
  const auto end = hole == -1 ? size_bytes_ : static_cast<std::uint64_t>(hole);
  return {begin, std::min(end, size_bytes_)};
}

std::uint64_t piece_end(std::uint64_t begin, std::uint64_t end) {
  return std::min(end, begin - begin % kPieceBytes + kPieceBytes);
}

struct stat stat_of(OpenFile file) {
  struct stat status {};
  if (retry([&] { return ::fstat(file.fd, &status); }) == -1) {
    throw_errno(errno, "look at", file.path);
  }
  return status;
}

void read_range(OpenFile file, Range range, std::byte* data) {
  while (range.begin < range.end) {
    const ssize_t got = retry([&] {
      return ::pread(file.fd, data, range.end - range.begin, static_cast<off_t>(range.begin));
    });
    if (got == -1) throw_errno(errno, "read", file.path);
    if (got == 0) throw_changed(file);
    data += got;
    range.begin += static_cast<std::uint64_t>(got);
  }
}

void write_range(OpenFile file, Range range, const std::byte* data) {
  while (range.begin < range.end) {
    const ssize_t put = retry([&] {
      return ::pwrite(file.fd, data, range.end - range.begin, static_cast<off_t>(range.begin));
    });
    if (put == -1) throw_errno(errno, "write", file.path);
    if (put == 0) refuse(Code::io, "write", file.path, "nothing was written");
    data += put;
    range.begin += static_cast<std::uint64_t>(put);
  }
}

void truncate_to(OpenFile file, std::uint64_t size_bytes) {
  if (size_bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    throw_errno(EFBIG, "set the size of", file.path);
  }
  // An empty file that is emptied is written out by ext4 when it is closed, with all that came into
  // it: also after a cancel, when nobody wants it (seen on 6.18).
  if (size_bytes == 0 && stat_of(file).st_size == 0) return;
  if (retry([&] { return ::ftruncate(file.fd, static_cast<off_t>(size_bytes)); }) == -1) {
    throw_errno(errno, "set the size of", file.path);
  }
}

// The first byte is zero, and each equals the one before it: memcmp uses vector registers.
bool is_zero(const std::byte* data, std::size_t length) {
  return length == 0 || (data[0] == std::byte{0} && std::memcmp(data, data + 1, length - 1) == 0);
}

void throw_changed(OpenFile file) {
  refuse(Code::io, "read", file.path, "the file shrank while it was read");
}

}  // namespace qubes::storage
