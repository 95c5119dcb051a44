// SPDX-License-Identifier: LGPL-2.1-or-later
// Which filesystem an open file is on, as far as the order of its name changes depends on it.
#ifndef QUBES_STORAGE_SRC_FS_KIND_H
#define QUBES_STORAGE_SRC_FS_KIND_H

#include <string>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// `path` is for messages.
FilesystemKind kind_of(int fd, const std::string& path);

}  // namespace qubes::storage

#endif
