// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptors, loop devices and mounts, with exceptions where they fail.
#ifndef QUBES_STORAGE_TESTVM_CRASH_SYSTEM_H
#define QUBES_STORAGE_TESTVM_CRASH_SYSTEM_H

#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace qubes::storage::crash {

struct SystemError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws "cannot STEP 'WHAT': reason", with errno as the reason.
[[noreturn]] void fail(const std::string& step, const std::string& what);

template <typename T>
T check(T result, const char* step, const std::string& what) {
  if (result == -1) fail(step, what);
  return result;
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ != -1) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Attached {
  int descriptor;
  std::string path;  // /dev/loopN
};

// On a free loop device; `flags` are LO_FLAGS_*. The device goes with LOOP_CLR_FD.
Attached attach_loop(int file, unsigned flags);

// A filesystem on a block device, mounted where nobody else sees it.
class Mount {
 public:
  Mount(const std::string& device, const std::string& filesystem, const std::string& mount_point);
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount();

  void unmount();  // throws where something still uses it

 private:
  const std::string mount_point_;
  bool is_mounted_ = false;
};

// Mounts made from now on are this process's own.
void leave_mount_namespace();

}  // namespace qubes::storage::crash

#endif
