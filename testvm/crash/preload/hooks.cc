// SPDX-License-Identifier: LGPL-2.1-or-later
// Preloaded into the program under test: stands between it and the C library, for the calls that
// make things durable or change names. Before and after each there may be noise, and it may be made
// with a mistake. Works with any program that is dynamically linked.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <filesystem>

#include "testvm/crash/preload/call.h"

namespace qubes::storage::crash {
namespace {

namespace fs = std::filesystem;

thread_local bool is_inside = false;  // noise makes such calls too

long hooked(const void* caller, const Call& call, const Perform& perform) {
  if (is_inside) return perform();
  is_inside = true;
  make_noise(call, When::before);
  const long result = is_mistaken(caller) ? perform_mistaken(call, perform) : perform();
  const int error = errno;
  make_noise(call, When::after);
  errno = error;
  is_inside = false;
  return result;
}

fs::path path_at(int directory, const char* name) {
  if (name[0] == '/') return name;
  return fs::path(directory == AT_FDCWD ? fs::current_path() : fs::path(path_of(directory))) / name;
}

Call call_on(CallKind kind, const fs::path& path, const fs::path& to = {}) {
  const fs::path& place = to.empty() ? path : to;
  return {kind, place.parent_path(), path.filename(), to.filename()};
}

long sync_hook(const void* caller, int fd, long number) {
  struct stat status {};
  const bool is_directory = ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
  const fs::path path = path_of(fd);
  const Call call = is_directory ? Call{CallKind::sync_directory, path, "", ""}
                                 : call_on(CallKind::sync_file, path);
  return hooked(caller, call, [&] { return ::syscall(number, fd); });
}

long rename_hook(const void* caller, int from_directory, const char* from, int to_directory,
                 const char* to, unsigned flags) {
  const Call call =
      call_on(CallKind::rename, path_at(from_directory, from), path_at(to_directory, to));
  return hooked(caller, call, [&] {
    return ::syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
  });
}

long link_hook(const void* caller, int from_directory, const char* from, int to_directory,
               const char* to, int flags) {
  const Call call =
      call_on(CallKind::link, path_at(from_directory, from), path_at(to_directory, to));
  return hooked(caller, call, [&] {
    return ::syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
  });
}

long unlink_hook(const void* caller, int directory, const char* name, int flags) {
  return hooked(caller, call_on(CallKind::unlink, path_at(directory, name)),
                [&] { return ::syscall(SYS_unlinkat, directory, name, flags); });
}

}  // namespace

std::string path_of(int fd) {
  char text[4096];
  const ssize_t length =
      ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text, sizeof text);
  return length < 0 ? std::string() : std::string(text, static_cast<std::size_t>(length));
}

}  // namespace qubes::storage::crash

using namespace qubes::storage::crash;

extern "C" {

int fsync(int fd) {
  return static_cast<int>(sync_hook(__builtin_return_address(0), fd, SYS_fsync));
}

int fdatasync(int fd) {
  return static_cast<int>(sync_hook(__builtin_return_address(0), fd, SYS_fdatasync));
}

int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
  if ((flags & AT_EMPTY_PATH) != 0) before_naming(from_directory);
  return static_cast<int>(
      link_hook(__builtin_return_address(0), from_directory, from, to_directory, to, flags));
}

int link(const char* from, const char* to) noexcept {
  return static_cast<int>(link_hook(__builtin_return_address(0), AT_FDCWD, from, AT_FDCWD, to, 0));
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned flags) {
  return static_cast<int>(
      rename_hook(__builtin_return_address(0), from_directory, from, to_directory, to, flags));
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return static_cast<int>(
      rename_hook(__builtin_return_address(0), from_directory, from, to_directory, to, 0));
}

int rename(const char* from, const char* to) noexcept {
  return static_cast<int>(
      rename_hook(__builtin_return_address(0), AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlinkat(int directory, const char* name, int flags) {
  return static_cast<int>(unlink_hook(__builtin_return_address(0), directory, name, flags));
}

int unlink(const char* name) noexcept {
  return static_cast<int>(unlink_hook(__builtin_return_address(0), AT_FDCWD, name, 0));
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  const auto perform = [&] { return ::syscall(SYS_ioctl, fd, request, argument); };
  if (request != FICLONE && request != FICLONERANGE) return static_cast<int>(perform());
  Call call = call_on(CallKind::clone, path_of(fd));
  call.target = fd;
  call.range.src_fd = reinterpret_cast<std::intptr_t>(argument);
  if (request == FICLONERANGE) call.range = *static_cast<const file_clone_range*>(argument);
  return static_cast<int>(hooked(__builtin_return_address(0), call, perform));
}
}
