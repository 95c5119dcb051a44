// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/operation.h"

#include <utility>

#include "src/fs/error.h"
#include "src/pool_context.h"

namespace qubes::storage {

// Each turn needs another process to have removed or remade the directory in between.
constexpr int kOpenTurns = 1000;

DirectoryPtr open_pool_directory(Filesystem& fs, const std::string& dir_path) {
  try {
    return fs.open_directory(dir_path);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    throw Error(Code::offline, error.errno_value(), "open pool", dir_path,
                "its directory is absent");
  }
}

DirectoryPtr Location::open_prefix() const {
  DirectoryPtr pool = open_pool_directory(*fs, pool_path);
  try {
    return fs->open_directory(*pool, vid.prefix);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    throw Error(Code::offline, error.errno_value(), "open pool", pool_path + "/" + vid.prefix,
                "it is absent: the pool was never set up, or its filesystem is not mounted");
  }
}

DirectoryPtr Location::open_vm(const Directory& prefix) const {
  try {
    return fs->open_directory(prefix, vid.vm);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    return nullptr;
  }
}

bool Operation::try_open(MissingDirectory missing) {
  directory_ = location_.open_vm(*prefix_);
  if (directory_) {
    lock_ = VolumeLock::acquire(*location_.fs, *prefix_, location_.vid.vm, directory_,
                                location_.vid.name);
    return lock_ != nullptr;
  }
  if (missing == MissingDirectory::refuse) {
    refuse(Code::not_found, "open volume", location_.directory_path(), "the VM has no directory");
  }
  made_directory_ = location_.fs->make_directory(*prefix_, location_.vid.vm);
  return false;
}

Operation::Operation(const Location& location, MissingDirectory missing, PoolThreads* threads,
                     const Progress& progress, std::vector<Finding>* findings)
    : location_(location), threads_(threads), prefix_(location.open_prefix()) {
  for (int turn = 0; !try_open(missing); ++turn) {
    if (turn == kOpenTurns) {
      refuse(Code::busy, "open volume", location_.directory_path(),
             "it is removed and made again all the time");
    }
  }
  // It may have waited long for the lock. A directory that it made is undone by nobody yet.
  if (progress && !made_directory_) progress(0, std::nullopt);
  images_.emplace(*location_.fs, directory_, location_.names, progress);
  if (threads_ != nullptr) {
    images_->take_clone = [this](const FileStatus& source) {
      return threads_->precaches.take(location_.vid.text(), source);
    };
  }
  sweep(*images_, findings);
  // The directory may be new, or as young as the process that died after making it. Where the order
  // of names is kept, a sync of the directory itself covers its name.
  if (missing == MissingDirectory::make_durable && !images_->files.any() &&
      !keeps_name_order(location_.fs->kind(*prefix_))) {
    location_.fs->sync(*prefix_);
  }
}

Operation::~Operation() {
  if (!images_) return;
  auto garbage = images_->changes.take_garbage();
  if (threads_ != nullptr) threads_->worker.dispose(location_.vid, std::move(garbage));
}

bool Operation::remove_directory_if_empty() {
  const bool removed = try_remove_directory();
  if (removed) {
    NameChanges(*location_.fs, prefix_).settle();
  } else {
    images_->changes.settle();
  }
  return removed;
}

bool Operation::try_remove_directory() {
  auto removed = std::make_shared<bool>(false);
  const FileStatus own = location_.fs->status(*directory_);
  lock_->when_alone([fs = location_.fs, prefix = prefix_, vm = location_.vid.vm, own, removed] {
    try {
      // By then its name may be that of a new one, which others are at work in.
      auto named = fs->status(*prefix, vm);
      if (named && named->same_inode(own)) *removed = fs->remove_directory(*prefix, vm);
    } catch (...) {
      // An empty directory is harmless.
    }
  });
  return *removed;
}

void Operation::drop_directory_if_empty() noexcept {
  try {
    try_remove_directory();
  } catch (...) {
    // Out of memory: the same.
  }
}

void Operation::undo_directory() noexcept {
  if (made_directory_) drop_directory_if_empty();
}

}  // namespace qubes::storage
