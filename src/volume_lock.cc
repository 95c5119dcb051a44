// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/volume_lock.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "src/fs/thread.h"

namespace qubes::storage {

struct ProcessLock;

namespace {

// One object for each key, for as long as somebody in this process uses it.
template <typename Key, typename Value>
class SharedTable {
 public:
  std::shared_ptr<Value> get(const Key& key) {
    // Made before the mutex is taken, and dropped after it: the deleter takes it.
    std::shared_ptr<Value> made(new Value, [this, key](Value* unused) {
      delete unused;
      std::lock_guard deleter_guard(mutex_);
      auto found = entries_.find(key);
      if (found != entries_.end() && found->second.expired()) entries_.erase(found);
    });
    std::lock_guard guard(mutex_);
    auto& entry = entries_[key];
    if (auto value = entry.lock()) return value;
    entry = made;
    return made;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::weak_ptr<Value>> entries_;
};

struct DirectoryLock {
  std::mutex mutex;
  std::weak_ptr<ProcessLock> held;
};

using DirectoryKey = std::pair<std::uint64_t, std::uint64_t>;             // device, inode
using VolumeKey = std::tuple<std::uint64_t, std::uint64_t, std::string>;  // and volume

struct Tables {
  const int process = this_process();
  SharedTable<VolumeKey, std::mutex> volume_mutexes;
  SharedTable<DirectoryKey, DirectoryLock> directory_locks;
  const Tables* before = nullptr;
};

// Of this process: in a forked child, what other threads of the parent held is held for ever, and
// their locks of directories are the parent's. Never destroyed: an operation may still run when the
// process exits.
Tables& tables() {
  static std::atomic<Tables*> current = nullptr;
  Tables* found = current;
  if (found != nullptr && found->process == this_process()) return *found;
  auto made = std::make_unique<Tables>();
  made->before = found;
  if (!current.compare_exchange_strong(found, made.get())) return *found;
  return *made.release();
}

}  // namespace

// The flock, and the entry by which others in this process find it.
struct ProcessLock {
  std::shared_ptr<DirectoryLock> entry;
  DirectoryPtr locked;
  std::function<void()> when_alone;  // left to the last user
};

namespace {

// The lock of the directory as this process holds it; taken from other processes if it does not
// yet.
std::shared_ptr<ProcessLock> lock_directory(Filesystem& fs, const DirectoryKey& key,
                                            const DirectoryPtr& directory) {
  auto entry = tables().directory_locks.get(key);
  std::lock_guard guard(entry->mutex);
  if (auto held = entry->held.lock()) return held;
  fs.lock(*directory);
  auto held = std::make_shared<ProcessLock>(ProcessLock{entry, directory, {}});
  entry->held = held;
  return held;
}

}  // namespace

VolumeLock::~VolumeLock() {
  if (!process_lock_) return;
  auto entry = process_lock_->entry;  // outlives the guard
  std::lock_guard guard(entry->mutex);
  if (process_lock_.use_count() == 1 && process_lock_->when_alone) process_lock_->when_alone();
  process_lock_.reset();
}

void VolumeLock::when_alone(std::function<void()> body) {
  std::lock_guard guard(process_lock_->entry->mutex);  // nobody joins or leaves meanwhile
  if (process_lock_.use_count() == 1) {
    body();
  } else {
    process_lock_->when_alone = std::move(body);
  }
}

std::unique_ptr<VolumeLock> VolumeLock::acquire(Filesystem& fs, const Directory& parent,
                                                const std::string& vm,
                                                const DirectoryPtr& vm_directory,
                                                const std::string& name) {
  FileStatus opened = fs.status(*vm_directory);
  std::unique_ptr<VolumeLock> lock(new VolumeLock);
  lock->volume_mutex_ = tables().volume_mutexes.get({opened.device, opened.inode, name});
  lock->volume_lock_ = std::unique_lock(*lock->volume_mutex_);
  lock->process_lock_ = lock_directory(fs, {opened.device, opened.inode}, vm_directory);
  auto now = fs.status(parent, vm);
  if (!now || !now->same_inode(opened)) return nullptr;
  return lock;
}

}  // namespace qubes::storage
