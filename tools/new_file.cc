// SPDX-License-Identifier: LGPL-2.1-or-later
// A file that appears, or replaces another, whole and durable or not at all.
#include "tools/new_file.h"

#include <fcntl.h>
#include <qubes/storage.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "tools/error.h"

namespace tool {
namespace {

constexpr const char* kStep = "export to";

// Where the new file goes. A rename would replace a link or a device itself.
std::string destination(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) throw_errno(errno, kStep, path);
    if (lstat(path.c_str(), &status) == 0) throw_errno(ENOENT, kStep, path);  // a dangling link
    return path;
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(QUBES_STORAGE_INVALID, 0, kStep, path,
                "not a regular file; to write into it: --to - > FILE");
  }
  return std::filesystem::canonical(path);
}

void sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? std::string(".") : parent;
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1) throw_errno(errno, "open directory", directory);
  const int result = fsync(fd);
  const int failure = errno;
  close(fd);
  if (result != 0) throw_errno(failure, "sync directory", directory);
}

}  // namespace

NewFile::NewFile(const std::string& path)
    : path_(destination(path)), temporary_(path_ + "~XXXXXX") {
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ == -1) throw_errno(errno, kStep, path_);
}

NewFile::~NewFile() {
  close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

std::uint64_t NewFile::size_bytes() const {
  struct stat status {};
  if (fstat(fd_, &status) != 0) throw_errno(errno, "look at", temporary_);
  return static_cast<std::uint64_t>(status.st_size);
}

void NewFile::publish() {
  if (fsync(fd_) != 0) throw_errno(errno, "sync file", temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw_errno(errno, "rename into place", path_);
  }
  temporary_.clear();
  sync_directory_of(path_);
}

}  // namespace tool
