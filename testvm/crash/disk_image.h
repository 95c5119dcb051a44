// SPDX-License-Identifier: LGPL-2.1-or-later
// The disk in a crash state: in memory as it should be, and as a file below a loop device, which is
// brought from one state to the next by writing only what differs.
#ifndef QUBES_STORAGE_TESTVM_CRASH_DISK_IMAGE_H
#define QUBES_STORAGE_TESTVM_CRASH_DISK_IMAGE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "testvm/crash/states.h"

namespace qubes::storage::crash {

inline constexpr std::size_t kPageBytes = 4096;

// Memory that knows which of its pages were ever written; the others are zeros and cost nothing.
class Buffer {
 public:
  // A file or a block device, whole.
  static Buffer read(const std::string& path, std::size_t size_min = 0);
  explicit Buffer(std::size_t size);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  void write(std::size_t at, const std::byte* from, std::size_t size);  // null: zeros
  const std::byte* data() const { return data_; }
  Bytes bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool is_written(std::size_t page) const { return is_written_[page]; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::vector<bool> is_written_;
};

// The disk in memory. Going to a later window is cheap; going back starts from the base image.
class StateImage {
 public:
  // The base image, and zeros after it where it is shorter than `size_min`.
  StateImage(const Log& log, std::string base_path, Enumeration how, std::size_t size_min = 0);

  void go_to(const StateName& name);
  const Buffer& content() const { return now_; }

 private:
  void apply(const Piece& piece);
  void undo();

  struct Saved {
    std::size_t at;
    std::vector<std::byte> data;
  };

  const Log& log_;
  const std::string base_path_;
  const Enumeration how_;
  const std::size_t size_min_;
  Buffer now_;
  std::size_t writes_done_ = 0;  // durable ones that now_ has
  std::vector<Saved> saved_;     // what the pieces of the present window replaced
  bool keeps_old_ = false;
};

// A file in memory (tmpfs) with a loop device on it.
class LoopDisk {
 public:
  LoopDisk(const std::string& directory, std::size_t size);
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;
  ~LoopDisk();

  void become(const Buffer& content);
  const std::string& device() const { return device_; }

 private:
  void attach();

  int file_ = -1;
  int loop_ = -1;
  std::byte* map_ = nullptr;
  const std::size_t size_;
  std::string device_;
  std::vector<bool> is_filled_;  // pages that are no holes
};

}  // namespace qubes::storage::crash

#endif
