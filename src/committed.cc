// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/committed.h"

#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// Each turn needs a commit by somebody else between two system calls.
constexpr int kOpenTurns = 1000;

FilePtr open_if_there(Filesystem& fs, const Directory& directory, const std::string& name) {
  try {
    return fs.open_file(directory, name, Access::read);
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return nullptr;
    throw;
  }
}

}  // namespace

std::optional<Committed> try_open_committed(const Location& location) {
  Filesystem& fs = *location.fs;
  DirectoryPtr directory = location.open_vm(*location.open_prefix());
  if (!directory) return std::nullopt;
  for (int turn = 0; turn < kOpenTurns; ++turn) {
    FilePtr file = open_if_there(fs, *directory, location.names.clean);
    if (!file || !fs.try_lock(*file, LockMode::shared)) return std::nullopt;
    // Between the open and the lock it may have been started in place, or replaced.
    FileStatus status = fs.status(*file);
    auto named = fs.status(*directory, location.names.clean);
    if (named && named->same_inode(status)) return Committed{directory, std::move(file), status};
  }
  return std::nullopt;
}

Committed open_committed(const Location& location, PoolThreads* threads) {
  if (auto found = try_open_committed(location)) return std::move(*found);
  // An operation may be at work on it, or a crash has left it without its name.
  Operation operation(location, MissingDirectory::refuse, threads, nullptr);
  if (auto found = try_open_committed(location)) return std::move(*found);
  const VolumeFiles& files = operation.images().files;
  const std::string path = location.path(location.names.clean);
  if (files.clean) {
    refuse(Code::busy, "open committed state", path, "somebody holds its lock");
  }
  if (files.dirty) {
    refuse(Code::dirty, "open committed state", path,
           "the volume runs with snapshots disabled, or was never committed");
  }
  refuse(Code::not_found, "open committed state", path, "there is none");
}

}  // namespace qubes::storage
