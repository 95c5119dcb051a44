// SPDX-License-Identifier: LGPL-2.1-or-later
// Which of several places contains a directory, so that its space is not counted twice.
#ifndef QUBES_STORAGE_SRC_CONTAINMENT_H
#define QUBES_STORAGE_SRC_CONTAINMENT_H

#include <optional>
#include <string>
#include <vector>

namespace qubes::storage {

// Index of the deepest directory that encloses `directory` and is not it; else of the LVM thin pool
// ("VG/POOL") below the device that carries it. Throws invalid where a candidate is neither.
std::optional<std::size_t> find_container(const std::string& directory,
                                          const std::vector<std::string>& candidates);

}  // namespace qubes::storage

#endif
