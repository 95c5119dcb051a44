// SPDX-License-Identifier: LGPL-2.1-or-later
// O_TMPFILE and linkat(2), with a file under a temporary name where there is no O_TMPFILE.
#include "src/fs/unnamed.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cstdio>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// 37^8 names: a second one that is taken means that something else is wrong.
constexpr int kAttempts = 16;

std::string temporary_name(const std::string& final_name, const std::string& path) {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
  constexpr unsigned kLetterCount = sizeof kLetters - 1;
  unsigned char random[8];
  // Up to 256 bytes come whole once the kernel's generator is ready; a signal may come before.
  if (retry([&] { return ::getrandom(random, sizeof random, 0); }) != sizeof random) {
    throw_errno(errno, "draw a temporary name for", path);
  }
  std::string name = final_name + '~';
  for (const unsigned char byte : random) name += kLetters[byte % kLetterCount];
  return name;
}

// The umask has no say in who may read a VM's disk.
void make_private(int fd, const std::string& path) {
  if (retry([&] { return ::fchmod(fd, 0600); }) == -1) throw_errno(errno, "set the mode of", path);
}

// False with errno. AT_EMPTY_PATH needs no /proc, but before Linux 6.10 it needs
// CAP_DAC_READ_SEARCH and says ENOENT without it; the way through /proc needs no privilege.
bool link_descriptor(int fd, int directory, const std::string& name) {
  if (retry([&] { return ::linkat(fd, "", directory, name.c_str(), AT_EMPTY_PATH); }) == 0) {
    return true;
  }
  if (errno == EEXIST) return false;
  char link_path[32];
  (void)std::snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
  return retry([&] {
           return ::linkat(AT_FDCWD, link_path, directory, name.c_str(), AT_SYMLINK_FOLLOW);
         }) == 0;
}

// False with errno. Never replaces what is there, unlike rename(2).
bool rename_to_free_name(int directory, const std::string& from, const std::string& to) {
  if (retry([&] {
        return ::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
      }) == 0) {
    return true;
  }
  if (errno != EINVAL && errno != ENOSYS) return false;
  return retry([&] { return ::linkat(directory, from.c_str(), directory, to.c_str(), 0); }) == 0 &&
         retry([&] { return ::unlinkat(directory, from.c_str(), 0); }) == 0;
}

}  // namespace

OwnedName::~OwnedName() {
  // Nothing to do about a failure: the sweep of the volume's next operation finds the name.
  if (!name_.empty()) ::unlinkat(directory_.get(), name_.c_str(), 0);
}

UnnamedFile create_unnamed_file(int directory, const std::string& final_name,
                                const std::string& path) {
  UniqueFd fd = open_at(directory, ".", O_TMPFILE | O_RDWR, 0600);
  if (!fd) {
    // open(2): EOPNOTSUPP from the filesystem; EISDIR or ENOENT from a kernel (EINVAL from a
    // filesystem) that does not know the flag. If the directory is gone, the second try says so.
    const bool unknown =
        errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT;
    if (!unknown) throw_errno(errno, "create a file in", path);
    return create_named_file(directory, final_name, path);
  }
  make_private(fd.get(), path);
  return {std::move(fd), {}};
}

UnnamedFile create_named_file(int directory, const std::string& final_name,
                              const std::string& path) {
  // O_PATH, and not a duplicate: that would share, and so prolong, the lock of the directory.
  UniqueFd own_directory = open_at(directory, ".", O_PATH | O_DIRECTORY);
  if (!own_directory) throw_errno(errno, "open directory", path);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string name = temporary_name(final_name, path);
    UniqueFd fd = open_at(directory, name.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0600);
    if (fd) {
      UnnamedFile file{std::move(fd), {std::move(own_directory), std::move(name)}};
      make_private(file.fd.get(), path);
      return file;
    }
    if (errno != EEXIST) break;
  }
  throw_errno(errno, "create a file in", path);
}

std::string link_under_temporary_name(UnnamedFile& file, int directory,
                                      const std::string& final_name, const std::string& path) {
  if (!file.fallback.empty()) return file.fallback.forget();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string name = temporary_name(final_name, path);
    if (link_descriptor(file.fd.get(), directory, name)) return name;
    if (errno != EEXIST) break;
  }
  throw_errno(errno, "give a temporary name to", path);
}

void link_under_name(UnnamedFile& file, int directory, const std::string& name,
                     const std::string& path) {
  const bool done = file.fallback.empty()
                        ? link_descriptor(file.fd.get(), directory, name)
                        : rename_to_free_name(directory, file.fallback.name(), name);
  if (!done) throw_errno(errno, "give its name to", path);
  file.fallback.forget();
}

}  // namespace qubes::storage
