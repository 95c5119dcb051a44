// SPDX-License-Identifier: LGPL-2.1-or-later
// The Filesystem that is the kernel's.
#ifndef QUBES_STORAGE_SRC_FS_REAL_FILESYSTEM_H
#define QUBES_STORAGE_SRC_FS_REAL_FILESYSTEM_H

#include <memory>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// It has no state: any number of threads may use one, each object that it returns one at a time.
std::shared_ptr<Filesystem> real_filesystem();

}  // namespace qubes::storage

#endif
