// SPDX-License-Identifier: LGPL-2.1-or-later
// Exclusion between operations on one volume: among threads by a mutex for each volume, among
// processes by flock on the directory of the VM, which the process holds once for all its volumes
// there.
#ifndef QUBES_STORAGE_SRC_VOLUME_LOCK_H
#define QUBES_STORAGE_SRC_VOLUME_LOCK_H

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "src/fs/filesystem.h"

namespace qubes::storage {

struct ProcessLock;

class VolumeLock {
 public:
  // Waits for the lock of the volume `name` in `vm_directory`, which was opened as `vm` in
  // `parent`. Null where that name has come to mean another directory, or none: open it anew then.
  static std::unique_ptr<VolumeLock> acquire(Filesystem& fs, const Directory& parent,
                                             const std::string& vm,
                                             const DirectoryPtr& vm_directory,
                                             const std::string& name);

  ~VolumeLock();
  VolumeLock(const VolumeLock&) = delete;
  VolumeLock& operator=(const VolumeLock&) = delete;

  // Calls `body` while no other operation of this process is at work in the directory (other
  // processes are kept out anyway): now, or when the last of them ends. It must not throw.
  void when_alone(std::function<void()> body);

 private:
  VolumeLock() = default;

  // Released in the opposite order.
  std::shared_ptr<std::mutex> volume_mutex_;
  std::unique_lock<std::mutex> volume_lock_;
  std::shared_ptr<ProcessLock> process_lock_;
};

}  // namespace qubes::storage

#endif
