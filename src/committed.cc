// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/committed.h"

#include <optional>
#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// Each turn needs a commit by somebody else between two system calls.
constexpr int kOpenTurns = 1000;

std::optional<Committed> try_open(const Location& location) {
  Filesystem& fs = *location.fs;
  DirectoryPtr directory = location.open_vm(*location.open_prefix());
  if (!directory || !fs.status(*directory, location.names.clean)) return std::nullopt;
  for (int turn = 0; turn < kOpenTurns; ++turn) {
    FilePtr file;
    try {
      file = fs.open_file(*directory, location.names.clean, Access::read);
    } catch (const Error& error) {
      if (error.code() == Code::not_found) return std::nullopt;
      throw;
    }
    if (!fs.try_lock(*file, LockMode::shared)) break;
    // Between the open and the lock it may have been started in place, or replaced.
    FileStatus status = fs.status(*file);
    auto named = fs.status(*directory, location.names.clean);
    if (named && named->same_inode(status)) return Committed{directory, std::move(file), status};
  }
  refuse(Code::busy, "open committed state", location.path(location.names.clean),
         "it is being started in place");
}

}  // namespace

Committed open_committed(const Location& location, Worker* worker) {
  if (auto found = try_open(location)) return std::move(*found);
  Operation operation(location, MissingDirectory::refuse, worker);
  if (auto found = try_open(location)) return std::move(*found);
  const std::string path = location.path(location.names.clean);
  if (operation.images().files.dirty) {
    refuse(Code::dirty, "open committed state", path,
           "the volume runs with snapshots disabled, or was never committed");
  }
  refuse(Code::not_found, "open committed state", path, "there is none");
}

}  // namespace qubes::storage
