// SPDX-License-Identifier: LGPL-2.1-or-later
// The name changes of one operation in one directory, and the syncs that they need: the one place
// where the kind of filesystem decides about a sync.
#ifndef QUBES_STORAGE_SRC_NAME_CHANGES_H
#define QUBES_STORAGE_SRC_NAME_CHANGES_H

#include <functional>
#include <string>
#include <vector>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// XFS and ext4 make the names of one directory durable in the order in which they were changed;
// Btrfs and unknown filesystems may make any subset of the unsynced changes durable.
bool keeps_name_order(FilesystemKind kind);

class NameChanges {
 public:
  NameChanges(Filesystem& fs, DirectoryPtr directory);

  void link(const std::string& from, const std::string& to);
  void rename(const std::string& from, const std::string& to);
  void unlink(const std::string& name);  // no matter if there is no such name

  bool keep_order() const { return ordered_; }

  // What was changed so far becomes durable before anything that is changed from here on.
  void barrier();

  // Everything becomes durable. Throws unknown_outcome where that cannot be told.
  void settle();

  // The inodes that lost their names, kept alive: destroying them is O(extents).
  std::vector<FilePtr> take_garbage();

 private:
  void keep(FilePtr inode);

  Filesystem& fs_;
  DirectoryPtr directory_;
  const bool ordered_;
  // Whether there may be changes that are not durable: those of a process that died before its
  // settle count.
  bool pending_ = true;
  std::vector<FilePtr> garbage_;
};

// Gives `file`, which has no name, the name `name`, instead of what had it. Its content is durable
// when this returns, its name after the next settle.
void publish_file(Filesystem& fs, const DirectoryPtr& directory, NameChanges& changes,
                  const std::string& name, FilePtr file);

// The same for a new file with what `fill` writes into it.
void publish_file(Filesystem& fs, const DirectoryPtr& directory, NameChanges& changes,
                  const std::string& name, const std::function<void(File&)>& fill);

}  // namespace qubes::storage

#endif
