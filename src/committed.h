// SPDX-License-Identifier: LGPL-2.1-or-later
// A committed state opened for reading, and pinned.
#ifndef QUBES_STORAGE_SRC_COMMITTED_H
#define QUBES_STORAGE_SRC_COMMITTED_H

#include <optional>

#include "src/operation.h"

namespace qubes::storage {

// While it is open, a start in place (snapshots disabled) of that volume is refused, so its bytes
// do not change.
struct Committed {
  DirectoryPtr directory;
  FilePtr file;  // with a shared lock
  FileStatus status;
};

// Waits for no operation on that volume, unless a crash left it without a committed state under its
// name. Throws not_found, dirty (it runs with snapshots disabled), busy (it is being started so
// just now).
Committed open_committed(const Location& location, PoolThreads* threads);

// The same without waiting for anybody: none where that would have to wait, or throws.
std::optional<Committed> try_open_committed(const Location& location);

}  // namespace qubes::storage

#endif
