// SPDX-License-Identifier: LGPL-2.1-or-later
// What the worker does to make precaches: look whether one is wanted, clone without holding the
// volume's lock, look again, and give the clone its name.
#ifndef QUBES_STORAGE_SRC_PRECACHE_TASKS_H
#define QUBES_STORAGE_SRC_PRECACHE_TASKS_H

#include "src/operation.h"
#include "src/precaches.h"

namespace qubes::storage {

// Of a volume that starts from its own committed state.
void make_precache(const Location& location, Precaches& precaches, std::uint64_t request);

// Of a snapshot volume, from the committed state of its source.
void make_snapshot_precache(const Location& location, const Location& source, Precaches& precaches,
                            std::uint64_t request);

}  // namespace qubes::storage

#endif
