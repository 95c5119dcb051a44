// SPDX-License-Identifier: LGPL-2.1-or-later
// The frame of every operation on a volume: its directory opened, its lock held, what a crash left
// swept.
#ifndef QUBES_STORAGE_SRC_OPERATION_H
#define QUBES_STORAGE_SRC_OPERATION_H

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/images.h"
#include "src/names.h"
#include "src/pool_threads.h"
#include "src/recovery.h"
#include "src/volume_lock.h"

namespace qubes::storage {

// Where a volume is.
struct Location {
  Location(std::shared_ptr<Filesystem> fs_in, std::string pool_path_in, Vid vid_in)
      : fs(std::move(fs_in)),
        pool_path(std::move(pool_path_in)),
        vid(std::move(vid_in)),
        names(vid.name) {}

  std::string directory_path() const { return pool_path + "/" + vid.prefix + "/" + vid.vm; }
  std::string path(const std::string& name) const { return directory_path() + "/" + name; }

  // Throws offline where the pool or the directory of the prefix is absent.
  DirectoryPtr open_prefix() const;

  // Null where the VM has no directory.
  DirectoryPtr open_vm(const Directory& prefix) const;

  std::shared_ptr<Filesystem> fs;
  std::string pool_path;
  Vid vid;
  ImageNames names;
};

// What to do where the VM has no directory. One that is made for a saved volume is durable before
// the operation goes on.
enum class MissingDirectory { refuse, make, make_durable };

class Operation {
 public:
  // Waits for the lock. Throws offline, or not_found where the directory is missing and not made.
  // `progress`, where there is one, is asked whether to go on before anything has been changed.
  Operation(const Location& location, MissingDirectory missing, PoolThreads* threads,
            const Progress& progress, std::vector<Finding>* findings = nullptr);

  // Hands what was unlinked to the worker, or frees it here if there are no threads.
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  Images& images() { return *images_; }

  // Removes the VM's directory if nothing is in it, and makes that (or whatever else was removed)
  // durable. False where something is in it.
  bool remove_directory_if_empty();

  // The same where it does not matter when it happens: an empty directory is harmless.
  void drop_directory_if_empty() noexcept;

  // Takes back the directory that this operation made, after it failed.
  void undo_directory() noexcept;

 private:
  // Where another operation of this process is at work in it, it is left to the last of them:
  // false.
  bool try_remove_directory();
  bool try_open(MissingDirectory missing);

  const Location& location_;
  PoolThreads* threads_;
  DirectoryPtr prefix_;
  DirectoryPtr directory_;
  bool made_directory_ = false;
  std::unique_ptr<VolumeLock> lock_;
  std::optional<Images> images_;
};

}  // namespace qubes::storage

#endif
