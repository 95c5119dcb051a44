// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/name_changes.h"

#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {

// Each holds a descriptor, of which the program may have no more than 1024. What comes after those
// is freed at once.
constexpr std::size_t kGarbageMax = 64;

bool keeps_name_order(FilesystemKind kind) {
  return kind == FilesystemKind::xfs || kind == FilesystemKind::ext4;
}

NameChanges::NameChanges(Filesystem& fs, DirectoryPtr directory)
    : fs_(fs), directory_(std::move(directory)), ordered_(keeps_name_order(fs_.kind(*directory_))) {
  garbage_.reserve(kGarbageMax);  // so that a change that was made cannot fail for want of memory
}

void NameChanges::keep(FilePtr inode) {
  pending_ = true;
  if (inode && garbage_.size() < kGarbageMax) garbage_.push_back(std::move(inode));
}

void NameChanges::link(const std::string& from, const std::string& to) {
  fs_.link(*directory_, from, *directory_, to);
  pending_ = true;
}

void NameChanges::rename(const std::string& from, const std::string& to) {
  keep(fs_.rename(*directory_, from, to));
}

void NameChanges::unlink(const std::string& name) {
  if (fs_.status(*directory_, name)) keep(fs_.unlink(*directory_, name));
}

void NameChanges::barrier() {
  if (ordered_ || !pending_) return;
  fs_.sync(*directory_);
  pending_ = false;
}

void NameChanges::settle() {
  if (!pending_) return;
  try {
    fs_.sync(*directory_);
  } catch (const Error& error) {
    throw Error(Code::unknown_outcome, error.errno_value(), error.step(), error.path(),
                "the change was made, but whether it is durable is not known");
  }
  pending_ = false;
}

std::vector<FilePtr> NameChanges::take_garbage() {
  return std::exchange(garbage_, {});
}

void publish_file(Filesystem& fs, const DirectoryPtr& directory, NameChanges& changes,
                  const std::string& name, FilePtr file) {
  // From here a crash leaves a temporary, which the sweep removes. Synced only now that it has a
  // name: Btrfs (of Linux 6.1, for one) ignores the sync of a file without a name.
  std::string temporary = fs.link_temporary(*file, *directory, name);
  try {
    fs.sync(*file);
    fs.close(std::move(file));
    changes.rename(temporary, name);
  } catch (...) {
    try {
      changes.unlink(temporary);
    } catch (const Error&) {
      // The sweep will.
    }
    throw;
  }
}

void publish_file(Filesystem& fs, const DirectoryPtr& directory, NameChanges& changes,
                  const std::string& name, const std::function<void(File&)>& fill) {
  FilePtr file = fs.create_unnamed(*directory, name);
  fill(*file);
  publish_file(fs, directory, changes, name, std::move(file));
}

}  // namespace qubes::storage
