// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/disk_image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

bool is_zero(const std::byte* data, std::size_t size) {
  static const std::byte kZeros[kPageBytes] = {};
  return std::memcmp(data, kZeros, size) == 0;
}

std::byte* map_memory(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("map memory", std::to_string(size) + " bytes");
  return static_cast<std::byte*>(memory);
}

}  // namespace

// ---- Buffer ----

Buffer::Buffer(std::size_t size)
    : data_(map_memory(size)), size_(size), is_written_((size + kPageBytes - 1) / kPageBytes) {}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      is_written_(std::move(other.is_written_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(is_written_, other.is_written_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void Buffer::write(std::size_t at, const std::byte* from, std::size_t size) {
  if (at > size_ || size_ - at < size) throw LogError("a write past the end of the base image");
  if (size == 0) return;
  for (std::size_t page = at / kPageBytes; page <= (at + size - 1) / kPageBytes; ++page) {
    is_written_[page] = true;
  }
  if (from != nullptr) {
    std::memcpy(data_ + at, from, size);
  } else {
    std::memset(data_ + at, 0, size);
  }
}

Buffer Buffer::read(const std::string& path, std::size_t size_min) {
  const Descriptor file(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open", path));
  const auto size =
      static_cast<std::size_t>(check(::lseek(file.get(), 0, SEEK_END), "find the size of", path));
  Buffer buffer(std::max(size, size_min));
  std::vector<std::byte> chunk(kReadBytes);
  for (std::size_t at = 0; at < size;) {
    const auto got = check(::pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(at)),
                           "read", path);
    if (got == 0) throw SystemError(path + " became shorter");
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); i += kPageBytes) {
      const std::size_t length = std::min(kPageBytes, static_cast<std::size_t>(got) - i);
      if (!is_zero(chunk.data() + i, length)) buffer.write(at + i, chunk.data() + i, length);
    }
    at += static_cast<std::size_t>(got);
  }
  return buffer;
}

// ---- StateImage ----

StateImage::StateImage(const Log& log, std::string base_path, Enumeration how, std::size_t size_min)
    : log_(log),
      base_path_(std::move(base_path)),
      how_(how),
      size_min_(size_min),
      now_(Buffer::read(base_path_, size_min)) {}

void StateImage::apply(const Piece& piece) {
  for_each_run(log_.writes[piece.write], piece, how_.tear_bytes,
               [this](std::uint64_t sector, std::uint64_t sectors, const std::byte* data) {
                 const std::size_t at = sector * kSectorBytes;
                 const std::size_t size = sectors * kSectorBytes;
                 const std::byte* old = now_.data() + at;
                 if (keeps_old_) saved_.push_back({at, {old, old + size}});
                 now_.write(at, data, size);
               });
}

void StateImage::undo() {
  for (auto old = saved_.rbegin(); old != saved_.rend(); ++old) {
    now_.write(old->at, old->data.data(), old->data.size());
  }
  saved_.clear();
}

void StateImage::go_to(const StateName& name) {
  undo();
  const std::vector<Piece> pieces = pieces_of(log_, name, how_);
  const std::size_t durable = log_.windows[name.window].first;
  if (durable < writes_done_) {
    now_ = Buffer::read(base_path_, size_min_);
    writes_done_ = 0;
  }
  keeps_old_ = false;
  for (; writes_done_ < durable; ++writes_done_) apply({writes_done_, {}});
  keeps_old_ = true;
  for (const Piece& piece : pieces) apply(piece);
}

// ---- LoopDisk ----

LoopDisk::LoopDisk(const std::string& directory, std::size_t size)
    : size_(size), is_filled_(size / kPageBytes) {
  file_ = check(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "make a file in",
                directory);
  check(::ftruncate(file_, static_cast<off_t>(size)), "size a file in", directory);
  void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (map == MAP_FAILED) fail("map a file in", directory);
  map_ = static_cast<std::byte*>(map);
  attach();
}

LoopDisk::~LoopDisk() {
  if (loop_ != -1) {
    ::ioctl(loop_, LOOP_CLR_FD, 0);
    ::close(loop_);
  }
  if (map_ != nullptr) ::munmap(map_, size_);
  ::close(file_);
}

void LoopDisk::attach() {
  const Attached attached = attach_loop(file_, LO_FLAGS_AUTOCLEAR);
  loop_ = attached.descriptor;
  device_ = attached.path;
}

void LoopDisk::become(const Buffer& content) {
  // The device is open here, so what it has cached outlives the mount.
  check(::ioctl(loop_, BLKFLSBUF, 0), "drop the cache of", device_);
  const std::byte* wanted = content.bytes().data;
  // What a mount has written since shows as data where there was a hole.
  for (off_t at = 0; at < static_cast<off_t>(size_);) {
    const off_t data = ::lseek(file_, at, SEEK_DATA);
    if (data == -1) break;
    const off_t hole = check(::lseek(file_, data, SEEK_HOLE), "find holes of", device_);
    const auto page = static_cast<off_t>(kPageBytes);
    for (off_t i = data / page; i * page < hole; ++i)
      is_filled_[static_cast<std::size_t>(i)] = true;
    at = hole;
  }
  for (std::size_t page = 0; page < is_filled_.size(); ++page) {
    const std::byte* from = wanted + page * kPageBytes;
    if (!is_filled_[page] && !content.is_written(page)) continue;
    is_filled_[page] = true;
    std::byte* to = map_ + page * kPageBytes;
    if (std::memcmp(to, from, kPageBytes) != 0) std::memcpy(to, from, kPageBytes);
  }
}

}  // namespace qubes::storage::crash
