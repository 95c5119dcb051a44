// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds loop devices by the inode behind them, and sets their capacity.
#include "src/fs/loop.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string_view>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// It takes no argument, so there is no size in its number that could be wrong.
static_assert(LOOP_SET_CAPACITY == 0x4C07);

constexpr std::uint64_t kSectorBytes = 512;

// Unbound or removed while we looked.
bool is_gone(int errno_value) {
  return errno_value == ENXIO || errno_value == ENOENT || errno_value == ENODEV;
}

// Those that are bound to a file just now have a directory /sys/block/loopN/loop.
std::vector<std::string> bound_loop_names() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/sys/block"), ::closedir);
  if (!directory) {
    const int reason = errno;
    throw Error(Code::io, reason, "list loop devices", "/sys/block", "it cannot be read");
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (!std::string_view(name).starts_with("loop")) continue;
    if (::access(("/sys/block/" + name + "/loop").c_str(), F_OK) == 0) names.push_back(name);
  }
  if (errno != 0) throw_errno(errno, "list", "/sys/block");
  return names;
}

// What sysfs says of a device that we may not open: it tells the path only, but tells everybody.
bool is_named_over(const std::string& loop_name, const struct stat& file) {
  const std::string attribute = "/sys/block/" + loop_name + "/loop/backing_file";
  const UniqueFd fd = open_at(AT_FDCWD, attribute.c_str(), O_RDONLY);
  char path[PATH_MAX];
  const ssize_t length = fd ? retry([&] { return ::read(fd.get(), path, sizeof path - 1); }) : -1;
  if (length <= 1) return false;
  path[length - 1] = '\0';  // instead of the newline
  struct stat backing {};
  return ::stat(path, &backing) == 0 && backing.st_dev == file.st_dev &&
         backing.st_ino == file.st_ino;
}

class LoopDevice {
 public:
  // One that we may not open is none of our business, unless it is over `file`.
  LoopDevice(const std::string& name, const struct stat& file)
      : path_("/dev/" + name), fd_(open_at(AT_FDCWD, path_.c_str(), O_RDONLY | O_NONBLOCK)) {
    if (fd_ || is_gone(errno)) return;
    const int reason = errno;
    const bool is_forbidden = reason == EACCES || reason == EPERM;
    if (!is_forbidden || is_named_over(name, file)) {
      throw_errno(reason, "open loop device", path_);
    }
  }

  // Linux compares nothing for us: the kernel reports device and inode of the file as stat(2)
  // does, on Btrfs too, where the device is that of the subvolume (seen on 6.18).
  bool is_over(const struct stat& file) {
    if (!fd_ || !ask(LOOP_GET_STATUS64, &info_, "look at loop device")) return false;
    return info_.lo_device == file.st_dev && info_.lo_inode == file.st_ino;
  }

  // False if it is gone by now.
  bool take_size(std::uint64_t file_bytes) {
    std::uint64_t device_bytes = 0;
    if (!ask(LOOP_SET_CAPACITY, nullptr, "resize loop device") ||
        !ask(BLKGETSIZE64, &device_bytes, "find the size of loop device")) {
      return false;
    }
    if (device_bytes != expected_bytes(file_bytes)) {
      refuse(Code::io, "resize loop device", path_, "it did not take the new size");
    }
    return true;
  }

 private:
  std::uint64_t expected_bytes(std::uint64_t file_bytes) const {
    std::uint64_t bytes = file_bytes - std::min<std::uint64_t>(file_bytes, info_.lo_offset);
    if (info_.lo_sizelimit != 0) bytes = std::min<std::uint64_t>(bytes, info_.lo_sizelimit);
    return bytes - bytes % kSectorBytes;
  }

  bool ask(unsigned long request, void* argument, const char* step) {
    if (retry([&] { return ::ioctl(fd_.get(), request, argument); }) != -1) return true;
    if (!is_gone(errno)) throw_errno(errno, step, path_);
    return false;
  }

  std::string path_;
  UniqueFd fd_;
  loop_info64 info_{};
};

}  // namespace

int refresh_loop_devices(OpenFile file) {
  const struct stat status = stat_of(file);
  int count = 0;
  for (const std::string& name : bound_loop_names()) {
    LoopDevice device(name, status);
    if (device.is_over(status) && device.take_size(static_cast<std::uint64_t>(status.st_size))) {
      ++count;
    }
  }
  return count;
}

}  // namespace qubes::storage
