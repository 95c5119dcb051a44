// SPDX-License-Identifier: LGPL-2.1-or-later
// Building blocks for other drivers: single files by path, with the same care as a volume's images.
#ifndef QUBES_STORAGE_SRC_FILES_H
#define QUBES_STORAGE_SRC_FILES_H

#include <cstdint>
#include <optional>
#include <string>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// The documentation of each is that of the public header.
bool file_clone(Filesystem& fs, const std::string& source, const std::string& target,
                std::optional<std::uint64_t> size_bytes, bool keep_mtime,
                const Progress& progress = {});
void file_create_sparse(Filesystem& fs, const std::string& path, std::uint64_t size_bytes);
void file_resize(Filesystem& fs, const std::string& path, std::uint64_t size_bytes);
void loop_refresh(Filesystem& fs, const std::string& path);

}  // namespace qubes::storage

#endif
