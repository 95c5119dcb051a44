// SPDX-License-Identifier: LGPL-2.1-or-later
// The sparse copy into a regular file, and the comparison of two.
#include "src/fs/copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"
#include "src/fs/stream.h"

namespace qubes::storage {
namespace {

void report(const Progress& progress, std::uint64_t done, std::optional<std::uint64_t> total) {
  if (progress) progress(done, total);
}

bool same_inode(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Refuses what would make the copy something else than a copy.
void check_target(const struct stat& source, OpenFile target) {
  const struct stat status = stat_of(target);
  if (!S_ISREG(status.st_mode)) {
    refuse(Code::invalid, "write", target.path, "it is not a regular file");
  }
  if (same_inode(source, status)) {
    refuse(Code::invalid, "write", target.path, "it is the file that is to be copied");
  }
  // pwrite(2): Linux appends to such a file, whatever the offset.
  const int flags = ::fcntl(target.fd, F_GETFL);
  if (flags == -1) throw_errno(errno, "look at", target.path);
  if ((flags & O_APPEND) != 0) {
    refuse(Code::invalid, "write", target.path, "it is open for appending only");
  }
}

// The first run of blocks in `range` that are not all zeros; [end, end) if there is none. Blocks
// are counted from the beginning of the file. `data` is what is at range.begin.
Range first_run(const std::byte* data, Range range) {
  const auto block_end = [&](std::uint64_t at) {
    return std::min(range.end, at - at % kBlockBytes + kBlockBytes);
  };
  const auto zero_block = [&](std::uint64_t at) {
    return is_zero(data + (at - range.begin), block_end(at) - at);
  };
  std::uint64_t begin = range.begin;
  while (begin < range.end && zero_block(begin)) begin = block_end(begin);
  std::uint64_t end = begin;
  while (end < range.end && !zero_block(end)) end = block_end(end);
  return {begin, end};
}

// Calls `use(run, data of the run)` for each such run.
template <typename Use>
void for_each_run(const std::byte* data, Range range, Use use) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    const Range run = first_run(data + (at - range.begin), {at, range.end});
    use(run, data + (run.begin - range.begin));
    at = run.end;
  }
}

// Copies a regular file. Each piece is read, to find its zeros; what is not zeros is moved by
// copy_file_range(2), so that a filesystem or a server that can share or copy it by itself does,
// and written from the buffer where that does not work.
class FileCopy {
 public:
  FileCopy(OpenFile source, OpenFile target) : source_(source), target_(target) {}

  void piece(Range range) {
    read_range(source_, range, buffer_.data());
    for_each_run(buffer_.data(), range, [&](Range run, const std::byte* data) {
      const std::uint64_t moved_end = move_in_kernel(run);
      write_range(target_, {moved_end, run.end}, data + (moved_end - run.begin));
    });
  }

 private:
  // Returns how far it came.
  std::uint64_t move_in_kernel(Range run) {
    while (kernel_moves_ && run.begin < run.end) {
      auto from = static_cast<off_t>(run.begin);
      auto to = from;
      const ssize_t moved = retry([&] {
        return ::copy_file_range(source_.fd, &from, target_.fd, &to, run.end - run.begin, 0);
      });
      if (moved == -1 && !is_refusal(errno)) throw_errno(errno, "write", target_.path);
      // 0 is the end of the file, or a filesystem that only pretends to be able to.
      if (moved <= 0) kernel_moves_ = false;
      if (moved > 0) run.begin += static_cast<std::uint64_t>(moved);
    }
    return run.begin;
  }

  static bool is_refusal(int errno_value) {
    return errno_value == EXDEV || errno_value == EINVAL || errno_value == EOPNOTSUPP ||
           errno_value == ENOSYS || errno_value == EBADF;
  }

  OpenFile source_;
  OpenFile target_;
  PieceBuffer buffer_;
  bool kernel_moves_ = true;
};

void copy_regular(OpenFile source, OpenFile target, std::uint64_t size_bytes,
                  const Progress& progress) {
  truncate_to(target, 0);
  truncate_to(target, size_bytes);
  DataRanges ranges(source, size_bytes);
  FileCopy copy(source, target);
  for (Range data = ranges.next(0); data.begin < size_bytes; data = ranges.next(data.begin)) {
    const std::uint64_t end = piece_end(data.begin, data.end);
    copy.piece({data.begin, end});
    data.begin = end;
    report(progress, end, size_bytes);
  }
  // A hole at its end could have been cut off unnoticed.
  if (static_cast<std::uint64_t>(stat_of(source).st_size) < size_bytes) throw_changed(source);
  report(progress, size_bytes, size_bytes);
}

// What a block device has from its offset on; unknown for anything else.
std::optional<std::uint64_t> bytes_left(OpenFile source, const struct stat& status) {
  if (!S_ISBLK(status.st_mode)) return std::nullopt;
  std::uint64_t size_bytes = 0;
  if (::ioctl(source.fd, BLKGETSIZE64, &size_bytes) == -1) {
    throw_errno(errno, "find the size of", source.path);
  }
  const off_t offset = ::lseek(source.fd, 0, SEEK_CUR);
  if (offset == -1) throw_errno(errno, "seek in", source.path);
  return size_bytes - std::min(size_bytes, static_cast<std::uint64_t>(offset));
}

void copy_stream(OpenFile source, OpenFile target, std::optional<std::uint64_t> total,
                 const Progress& progress) {
  truncate_to(target, 0);
  PieceBuffer buffer;
  std::uint64_t written = 0;
  for (;;) {
    // In whole pieces, so that the blocks of zeros are found however it trickles.
    const std::size_t length =
        read_stream(source, buffer.data(), kPieceBytes,
                    [&](std::size_t read) { report(progress, written + read, total); });
    if (length == 0) break;
    const Range piece{written, written + length};
    // Before writing: zeros are not written, and XFS allocates ahead of a write that makes the file
    // longer, in what becomes a hole (seen on 6.18).
    truncate_to(target, piece.end);
    for_each_run(buffer.data(), piece,
                 [&](Range run, const std::byte* data) { write_range(target, run, data); });
    written = piece.end;
  }
  // The writer of a pipe may have died of what the caller is to be cancelled by: an end like any.
  report(progress, written, total);
}

}  // namespace

void copy_to_file(OpenFile source, OpenFile target, const Progress& progress) {
  const struct stat status = stat_of(source);
  check_target(status, target);
  if (S_ISREG(status.st_mode)) {
    copy_regular(source, target, static_cast<std::uint64_t>(status.st_size), progress);
  } else {
    copy_stream(source, target, bytes_left(source, status), progress);
  }
}

void copy_to_stream(OpenFile source, OpenFile target, const Progress& progress) {
  const auto size_bytes = static_cast<std::uint64_t>(stat_of(source).st_size);
  DataRanges ranges(source, size_bytes);
  StreamWriter writer(target);
  PieceBuffer buffer;
  PieceBuffer zeros;
  for (std::uint64_t at = 0; at < size_bytes;) {
    const Range data = ranges.next(at);
    const bool in_hole = at < data.begin;
    const std::uint64_t end = piece_end(at, in_hole ? data.begin : data.end);
    if (!in_hole) read_range(source, {at, end}, buffer.data());
    writer.write(in_hole ? zeros.data() : buffer.data(), end - at,
                 [&] { report(progress, at, size_bytes); });
    at = end;
    report(progress, at, size_bytes);
  }
  if (static_cast<std::uint64_t>(stat_of(source).st_size) < size_bytes) throw_changed(source);
}

bool same_bytes(OpenFile a, OpenFile b) {
  const struct stat status_a = stat_of(a);
  const struct stat status_b = stat_of(b);
  if (same_inode(status_a, status_b)) return true;
  if (status_a.st_size != status_b.st_size) return false;

  const auto size_bytes = static_cast<std::uint64_t>(status_a.st_size);
  DataRanges ranges_a(a, size_bytes);
  DataRanges ranges_b(b, size_bytes);
  PieceBuffer buffer_a;
  PieceBuffer buffer_b;
  for (std::uint64_t at = 0; at < size_bytes;) {
    const Range data_a = ranges_a.next(at);
    const Range data_b = ranges_b.next(at);
    const Range first = data_a.begin < data_b.begin ? data_a : data_b;
    if (first.begin == size_bytes) break;  // both are holes to the end
    const Range piece{first.begin, piece_end(first.begin, first.end)};
    read_range(a, piece, buffer_a.data());
    read_range(b, piece, buffer_b.data());
    if (std::memcmp(buffer_a.data(), buffer_b.data(), piece.end - piece.begin) != 0) return false;
    at = piece.end;
  }
  return true;
}

}  // namespace qubes::storage
