// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes of judgement, planted as wrong answers of system calls that ask: what a file is, what is
// in a directory, who holds a lock, which filesystem it is.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "testvm/crash/preload/call.h"

namespace qubes::storage::crash {
namespace {

constexpr char kPrecache[] = "-precache.img";
constexpr time_t kLongAfter = 10;  // seconds

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool is_temporary_name(const std::string& name) {
  return name.find('~') != std::string::npos;
}

void lie_about(struct stat& status, const std::string& name) {
  if (is_planted("mtime-trusted")) {
    status.st_ctim = status.st_mtim;
    status.st_ctim.tv_sec += kLongAfter;
  }
  if (is_planted("every-session-counts") && ends_with(name, "-dirty.img")) {
    status.st_mtim.tv_nsec ^= 1;
  }
}

// As fresh as what it is a copy of.
void lie_about_precache(struct stat& status, int directory, const std::string& name) {
  if (!is_planted("stale-precache") || !ends_with(name, kPrecache)) return;
  const std::string clean = name.substr(0, name.size() - sizeof kPrecache + 1) + ".img";
  struct stat like {};
  if (::syscall(SYS_newfstatat, directory, clean.c_str(), &like, AT_SYMLINK_NOFOLLOW) != 0) return;
  status.st_mtim = like.st_mtim;
  status.st_size = like.st_size;
}

bool is_committed(const std::string& name) {
  return ends_with(name, ".img") && !ends_with(name, "-dirty.img") &&
         !ends_with(name, "-import.img") && !ends_with(name, kPrecache);
}

// A stopped snapshot's second name of its source, told by the precache beside it, is as if it were
// that of the source's present state, which was opened before.
struct Pins {
  void opened(const struct stat& status, const std::string& name) {
    if (is_committed(name)) source_ = status.st_ino;
  }

  void lie_about(struct stat& status, int directory, const std::string& name) {
    if (!is_committed(name)) return;
    const std::string precache = name.substr(0, name.size() - std::strlen(".img")) + kPrecache;
    struct stat beside {};
    const long found =
        ::syscall(SYS_newfstatat, directory, precache.c_str(), &beside, AT_SYMLINK_NOFOLLOW);
    const bool is_mark = beside.st_mtim.tv_sec == status.st_mtim.tv_sec &&
                         beside.st_mtim.tv_nsec == status.st_mtim.tv_nsec + 1;
    if (found == 0 && is_mark) pinned_ = status.st_ino;
    if (status.st_ino == pinned_) status.st_ino = source_;
  }

 private:
  std::atomic<ino_t> source_ = 0;
  std::atomic<ino_t> pinned_ = 0;
};

Pins& pins() {
  static Pins pins;
  return pins;
}

// The revision with the highest number, as a listing has it.
std::string newest_revision(int directory) {
  static const auto read_next = next<dirent64*(DIR*)>("readdir64");
  DIR* const stream = ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string newest;
  long highest = 0;
  while (const dirent64* entry = stream == nullptr ? nullptr : read_next(stream)) {
    const std::string name = entry->d_name;
    const auto at = name.find(".img.");
    if (at == std::string::npos || is_temporary_name(name)) continue;
    const long number = std::strtol(name.c_str() + at + 5, nullptr, 10);
    if (number <= highest) continue;
    highest = number;
    newest = name;
  }
  if (stream != nullptr) ::closedir(stream);
  return newest;
}

// What the sweep of a mistaken library would not see, or would remove before.
bool is_hidden(int directory, const std::string& name) {
  if (is_planted("nothing-swept")) return is_temporary_name(name);
  if (is_planted("newest-overlooked")) return name == newest_revision(directory);
  const bool is_removed = (is_planted("sweep-too-wide") && is_temporary_name(name)) ||
                          (is_planted("session-swept") && ends_with(name, "-dirty.img"));
  if (is_removed) ::syscall(SYS_unlinkat, directory, name.c_str(), 0);
  return is_removed;
}

}  // namespace
}  // namespace qubes::storage::crash

using namespace qubes::storage::crash;

extern "C" {

int fstatat64(int directory, const char* name, struct stat64* status, int flags) noexcept {
  static const auto perform = next<int(int, const char*, struct stat64*, int)>("fstatat64");
  const int result = perform(directory, name, status, flags);
  if (result == 0 && is_mistaken(__builtin_return_address(0))) {
    auto& found = *reinterpret_cast<struct stat*>(status);  // the same on 64 bits
    lie_about(found, name);
    lie_about_precache(found, directory, name);
    if (is_planted("pin-ignored")) pins().lie_about(found, directory, name);
  }
  return result;
}

int fstat64(int fd, struct stat64* status) noexcept {
  static const auto perform = next<int(int, struct stat64*)>("fstat64");
  const int result = perform(fd, status);
  if (result == 0 && is_mistaken(__builtin_return_address(0))) {
    auto& found = *reinterpret_cast<struct stat*>(status);
    pins().opened(found, path_of(fd));
    lie_about(found, path_of(fd));
  }
  return result;
}

int fstatfs64(int fd, struct statfs64* status) noexcept {
  static const auto perform = next<int(int, struct statfs64*)>("fstatfs64");
  const int result = perform(fd, status);
  if (is_mistaken(__builtin_return_address(0)) && is_planted("all-xfs")) {
    status->f_type = XFS_SUPER_MAGIC;
  }
  return result;
}

struct dirent64* readdir64(DIR* stream) {
  static const auto perform = next<dirent64*(DIR*)>("readdir64");
  dirent64* entry = perform(stream);
  if (!is_mistaken(__builtin_return_address(0))) return entry;
  while (entry != nullptr && is_hidden(::dirfd(stream), entry->d_name)) entry = perform(stream);
  return entry;
}

int flock(int fd, int operation) noexcept {
  const bool is_tried = (operation & LOCK_NB) != 0;
  if (is_tried && is_mistaken(__builtin_return_address(0))) {
    if (is_planted("locks-ignored")) return 0;
    if (is_planted("always-locked")) {
      errno = EWOULDBLOCK;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}
}
