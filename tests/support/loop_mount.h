// SPDX-License-Identifier: LGPL-2.1-or-later
// Real filesystems for tests, on loop devices over sparse image files: needs root.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_LOOP_MOUNT_H
#define QUBES_STORAGE_TESTS_SUPPORT_LOOP_MOUNT_H

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// So that a failing test says which.
std::ostream& operator<<(std::ostream& stream, FilesystemKind kind);

namespace test {

// Throws std::runtime_error that says so where we are not root.
void require_root();

class LoopMount {
 public:
  static constexpr std::uint64_t kSizeBytes = std::uint64_t{512} << 20;

  // Makes and mounts one. `other` stands for a tmpfs, which has no device and no image.
  explicit LoopMount(FilesystemKind kind, std::uint64_t size_bytes = kSizeBytes,
                     const std::vector<std::string>& mkfs_options = {});
  ~LoopMount();
  LoopMount(const LoopMount&) = delete;
  LoopMount& operator=(const LoopMount&) = delete;

  FilesystemKind kind() const { return kind_; }
  const std::string& path() const { return path_; }      // where it is mounted
  const std::string& device() const { return device_; }  // "/dev/loopN"
  const std::string& image() const { return image_; }

  // Since the device was set up: flush requests that it completed, sectors of 512 bytes written.
  std::uint64_t flush_count() const { return statistic(16); }
  std::uint64_t written_sectors() const { return statistic(7); }

  // What a power cut right now would leave, if the disk had written all that the kernel has
  // submitted: a copy of the image, mounted beside the original (which replays its journal).
  // To be called while nothing else writes to the filesystem.
  std::unique_ptr<LoopMount> crash_image() const;

 private:
  LoopMount(FilesystemKind kind, const LoopMount& original);

  void mount(const std::vector<std::string>& options);
  void clean_up() noexcept;
  std::uint64_t statistic(int field) const;

  FilesystemKind kind_;
  std::string directory_;  // temporary: has the image and the mount point
  std::string image_;
  std::string path_;
  std::string device_;
};

// One per kind, made when it is first asked for, unmounted at the end of the process.
LoopMount& mounted(FilesystemKind kind);

// A fresh directory, removed with all that is in it.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent);
  explicit ScratchDirectory(const LoopMount& mount) : ScratchDirectory(mount.path()) {}
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

}  // namespace test
}  // namespace qubes::storage

#endif
