// SPDX-License-Identifier: LGPL-2.1-or-later
// What the workload writes: chunks of which every sector says what it is, so that whoever reads
// them can tell old from new, zeros and torn. The chunks of a file are the blocks of the
// simulation's files.
#ifndef QUBES_STORAGE_TESTVM_CRASH_STAMP_H
#define QUBES_STORAGE_TESTVM_CRASH_STAMP_H

#include <cstddef>
#include <string>
#include <vector>

#include "tests/simulation/disk.h"

namespace qubes::storage::crash {

inline constexpr std::size_t kChunkBytes = 64 * 1024;
// Of a chunk that is neither zeros nor one write, whole.
inline constexpr simulation::Symbol kTorn = 0xFF;

std::vector<std::byte> stamped(simulation::Symbol symbol, std::size_t chunk);
simulation::Symbol read_stamp(const std::byte* data, std::size_t size, std::size_t chunk);

// Never equal to what was promised where the file is longer than 3 chunks or ends within one.
simulation::Content read_content(int file, const std::string& path);

}  // namespace qubes::storage::crash

#endif
