// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/fs/reflink.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// The numbers of the requests have the sizes of their arguments in them.
static_assert(_IOC_SIZE(FICLONE) == sizeof(int));
static_assert(_IOC_SIZE(FICLONERANGE) == sizeof(struct file_clone_range));

// What a piece costs depends on its extents, of which there may be 8,192 or one in 32 MiB. So the
// size follows the time that the last one took. Measured (make bench, clone_pieces): from 4 MiB of
// an image in extents of 4 KiB upwards, pieces cost less than 5 % more than one FICLONE.
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kPieceMin = 4 * kMiB;
constexpr std::uint64_t kPieceFirst = 8 * kMiB;
constexpr std::uint64_t kPieceMax = 4096 * kMiB;
constexpr std::chrono::milliseconds kShort(10);
constexpr std::chrono::milliseconds kLong(40);

bool is_refusal(int errno_value) {
  return errno_value == EBADF || errno_value == EINVAL || errno_value == EOPNOTSUPP ||
         errno_value == ENOTTY || errno_value == EXDEV;
}

// A length of 0 is: to the end.
bool share_range(OpenFile source, OpenFile target, std::uint64_t begin, std::uint64_t length) {
  file_clone_range range{};
  range.src_fd = source.fd;
  range.src_offset = begin;
  range.src_length = length;
  range.dest_offset = begin;
  return retry([&] { return ::ioctl(target.fd, FICLONERANGE, &range); }) == 0;
}

std::uint64_t next_piece(std::uint64_t piece, std::chrono::steady_clock::duration took) {
  if (took < kShort) return std::min(piece * 2, kPieceMax);
  if (took > kLong) return std::max(piece / 2, kPieceMin);
  return piece;
}

}  // namespace

bool share_blocks(OpenFile source, OpenFile target) {
  if (share_range(source, target, 0, 0)) return true;
  if (is_refusal(errno)) return false;
  throw_errno(errno, "clone into", target.path);
}

bool share_last_block(OpenFile source, OpenFile target) {
  const struct stat status = stat_of(source);
  const auto block = static_cast<std::uint64_t>(status.st_blksize);
  const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t begin = size_bytes == 0 ? 0 : (size_bytes - 1) / block * block;
  if (share_range(source, target, begin, 0)) return true;
  if (is_refusal(errno)) return false;
  throw_errno(errno, "clone into", target.path);
}

bool share_blocks_in_pieces(OpenFile source, OpenFile target, std::uint64_t from,
                            const Progress& progress) {
  const auto size_bytes = static_cast<std::uint64_t>(stat_of(source).st_size);
  const DataRanges data(source, size_bytes);
  std::uint64_t piece = progress ? kPieceFirst : size_bytes;
  std::uint64_t at = from;
  bool has_shared = from > 0;
  if (at >= size_bytes) return has_shared || share_blocks(source, target);
  while (at < size_bytes) {
    const std::uint64_t begin_of_data = data.next_begin(at);
    const bool is_hole = begin_of_data == size_bytes;  // to the end, at which the target will end
    if (!is_hole) at = std::max(at, begin_of_data - begin_of_data % kPieceMin);
    const bool is_last = is_hole || size_bytes - at <= piece;
    const auto begin = std::chrono::steady_clock::now();
    if (!share_range(source, target, at, is_last ? 0 : piece)) {
      if (!has_shared && is_refusal(errno)) return false;
      throw_errno(errno, "clone into", target.path);
    }
    has_shared = true;
    at = is_last ? size_bytes : at + piece;
    piece = next_piece(piece, std::chrono::steady_clock::now() - begin);
    if (progress) progress(at, size_bytes);
  }
  return true;
}

}  // namespace qubes::storage
