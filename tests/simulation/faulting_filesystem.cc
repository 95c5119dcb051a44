// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/faulting_filesystem.h"

#include <cerrno>
#include <cstring>

#include "src/fs/error.h"

namespace qubes::storage::simulation {

const std::vector<int>& errnos_of(Call call) {
  static const std::vector<int> kOpen = {EIO, EMFILE, ENFILE, ENOMEM};
  static const std::vector<int> kSpace = {EIO, ENOSPC, EDQUOT, ENOMEM, EROFS};
  static const std::vector<int> kRemove = {EIO, ENOSPC, ENOMEM, EROFS};
  static const std::vector<int> kSync = {EIO, ENOSPC, EDQUOT};
  static const std::vector<int> kRead = {EIO, ENOMEM};
  static const std::vector<int> kLock = {ENOLCK, EIO};
  static const std::vector<int> kCreate = {EIO, ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EROFS};
  static const std::vector<int> kClone = {EIO, ENOSPC, EDQUOT, ENOMEM};
  static const std::vector<int> kClose = {EIO, ENOSPC, EDQUOT, EINTR};
  switch (call) {
    case Call::open:
    case Call::list:
      return kOpen;
    case Call::make_name:
      return kSpace;
    case Call::remove_name:
      return kRemove;
    case Call::sync_directory:
    case Call::sync_file:
      return kSync;
    case Call::status:
      return kRead;
    case Call::lock:
      return kLock;
    case Call::create:
      return kCreate;
    case Call::clone:
    case Call::set_size:
    case Call::set_time:
      return kClone;
    case Call::close:
      return kClose;
  }
  return kRead;
}

void FaultingFilesystem::arm(int n, std::size_t which) {
  countdown_ = n;
  which_ = which;
  fired_.reset();
  out_of_errnos_ = false;
}

std::string FaultingFilesystem::what() const {
  return fired_ ? std::string(std::strerror(fired_errno_)) + " at " + path_ : "nothing";
}

bool FaultingFilesystem::fires(Call call) {
  if (countdown_ == 0 || --countdown_ > 0) return false;
  out_of_errnos_ = which_ >= errnos_of(call).size();
  if (out_of_errnos_) return false;
  fired_ = call;
  fired_errno_ = errnos_of(call)[which_];
  return true;
}

void FaultingFilesystem::may_fail(Call call, const std::string& path) {
  if (!fires(call)) return;
  path_ = path;
  throw_errno(fired_errno_, "do (injected) with", path);
}

DirectoryPtr FaultingFilesystem::open_directory(const std::string& path) {
  may_fail(Call::open, path);
  return inner().open_directory(path);
}
DirectoryPtr FaultingFilesystem::open_directory(const Directory& parent, const std::string& name) {
  may_fail(Call::open, name);
  return inner().open_directory(parent, name);
}
bool FaultingFilesystem::make_directory(const Directory& parent, const std::string& name) {
  may_fail(Call::make_name, "mkdir " + name);
  return inner().make_directory(parent, name);
}
bool FaultingFilesystem::remove_directory(const Directory& parent, const std::string& name) {
  may_fail(Call::remove_name, "rmdir " + name);
  return inner().remove_directory(parent, name);
}
std::vector<std::string> FaultingFilesystem::list(const Directory& directory) {
  may_fail(Call::list, "list");
  return inner().list(directory);
}
void FaultingFilesystem::sync(Directory& directory) {
  may_fail(Call::sync_directory, "sync directory");
  inner().sync(directory);
}
void FaultingFilesystem::lock(Directory& directory) {
  may_fail(Call::lock, "lock directory");
  inner().lock(directory);
}
std::optional<FileStatus> FaultingFilesystem::status(const Directory& directory,
                                                     const std::string& name) {
  may_fail(Call::status, "status " + name);
  return inner().status(directory, name);
}
FileStatus FaultingFilesystem::status(const File& file) {
  may_fail(Call::status, "status of a file");
  return inner().status(file);
}
FileStatus FaultingFilesystem::status(const Directory& directory) {
  may_fail(Call::status, "status of a directory");
  return inner().status(directory);
}
bool FaultingFilesystem::reflink_works(const Directory& target, const Directory& source) {
  may_fail(Call::clone, "reflink_works");
  return inner().reflink_works(target, source);
}

bool FaultingFilesystem::reflink_works(const Directory& target, File& source) {
  may_fail(Call::clone, "reflink_works");
  return inner().reflink_works(target, source);
}
FilePtr FaultingFilesystem::open_file(const Directory& directory, const std::string& name,
                                      Access access) {
  may_fail(Call::open, "open " + name);
  return inner().open_file(directory, name, access);
}
FilePtr FaultingFilesystem::create_unnamed(const Directory& directory,
                                           const std::string& final_name) {
  may_fail(Call::create, "create " + final_name);
  return inner().create_unnamed(directory, final_name);
}
std::string FaultingFilesystem::link_temporary(File& file, const Directory& directory,
                                               const std::string& final_name) {
  may_fail(Call::make_name, "link temporary of " + final_name);
  return inner().link_temporary(file, directory, final_name);
}
void FaultingFilesystem::link_unnamed(File& file, const Directory& directory,
                                      const std::string& name) {
  may_fail(Call::make_name, "link unnamed " + name);
  inner().link_unnamed(file, directory, name);
}
bool FaultingFilesystem::clone(File& source, File& target, const Progress& progress) {
  may_fail(Call::clone, "clone");
  return inner().clone(source, target, progress);
}
bool FaultingFilesystem::clone_shared(File& source, File& target, std::uint64_t from,
                                      const Progress& progress) {
  may_fail(Call::clone, "clone shared");
  return inner().clone_shared(source, target, from, progress);
}
bool FaultingFilesystem::same_content(File& a, File& b) {
  may_fail(Call::status, "compare");
  return inner().same_content(a, b);
}
void FaultingFilesystem::set_size(File& file, std::uint64_t size_bytes) {
  may_fail(Call::set_size, "set size");
  inner().set_size(file, size_bytes);
}
void FaultingFilesystem::set_mtime(File& file, std::int64_t mtime_ns) {
  may_fail(Call::set_time, "set mtime");
  inner().set_mtime(file, mtime_ns);
}
void FaultingFilesystem::sync(File& file) {
  if (fires(Call::sync_file)) {
    path_ = "sync file";
    if (on_failed_sync) on_failed_sync(file, fired_errno_);
    throw_errno(fired_errno_, "sync (injected)", "a file");
  }
  inner().sync(file);
}
void FaultingFilesystem::close(FilePtr file) {
  const bool fails = fires(Call::close);
  path_ = fails ? "close" : path_;
  if (!fails) return inner().close(std::move(file));
  file.reset();
  throw_errno(fired_errno_, "close (injected)", "a file");
}
bool FaultingFilesystem::try_lock(File& file, LockMode mode) {
  may_fail(Call::lock, "lock file");
  return inner().try_lock(file, mode);
}
void FaultingFilesystem::link(const Directory& from_directory, const std::string& from,
                              const Directory& to_directory, const std::string& to) {
  may_fail(Call::make_name, "link " + from + " -> " + to);
  inner().link(from_directory, from, to_directory, to);
}
FilePtr FaultingFilesystem::rename(const Directory& directory, const std::string& from,
                                   const std::string& to) {
  may_fail(Call::make_name, "rename " + from + " -> " + to);
  return inner().rename(directory, from, to);
}
FilePtr FaultingFilesystem::unlink(const Directory& directory, const std::string& name) {
  may_fail(Call::remove_name, "unlink " + name);
  return inner().unlink(directory, name);
}

}  // namespace qubes::storage::simulation
