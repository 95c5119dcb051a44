// SPDX-License-Identifier: LGPL-2.1-or-later
// What every user of the kernel here shares: an owned descriptor, its lock, and the one
// place for EINTR.
#ifndef QUBES_STORAGE_SRC_FS_DESCRIPTOR_H
#define QUBES_STORAGE_SRC_FS_DESCRIPTOR_H

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace qubes::storage {

// Owns a descriptor. Closing it here reports nothing; where close(2) matters, release() it first.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ < 0) return;
    const int saved_errno = errno;  // so that an error being reported is not overwritten
    ::close(fd_);
    errno = saved_errno;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// The lock of an open file ends with the object, not with the descriptor: a child that the program
// has forked meanwhile keeps that open, and must not end the lock itself.
class OwnLock {
 public:
  void hold() { owner_ = ::getpid(); }
  void end(const UniqueFd& fd) const {
    if (fd && owner_ == ::getpid()) ::flock(fd.get(), LOCK_UN);
  }

 private:
  pid_t owner_ = 0;
};

// Repeats a system call that a signal interrupted. Not for close(2): on Linux the descriptor is
// gone even if it says EINTR, and by then the number may be that of another thread's file.
template <typename Call>
auto retry(Call call) {
  decltype(call()) result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// openat(2); on failure the result is false and errno says why.
inline UniqueFd open_at(int directory, const char* name, int flags, mode_t mode = 0) {
  return UniqueFd(retry([&] { return ::openat(directory, name, flags | O_CLOEXEC, mode); }));
}

}  // namespace qubes::storage

#endif
