// SPDX-License-Identifier: LGPL-2.1-or-later
// What a crash may leave of a disk (docs/CRASH_MODEL.md): all of it, one after the other.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_CRASH_H
#define QUBES_STORAGE_TESTS_SIMULATION_CRASH_H

#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/disk.h"

namespace qubes::storage::simulation {

enum class CrashKind { power_cut, process_death };

struct CrashState {
  CrashKind kind;
  Disk disk;                    // after it
  std::vector<Extent> changes;  // what became of each pending change (power cut)
};

// Calls `visit` with each state that a power cut may leave, and with what a process death leaves.
// States that differ only in the content of files without a permanent name come once.
void for_each_crash(const Disk& disk, const CrashModel& model,
                    const std::function<void(CrashState&)>& visit);

// For a reader: what was not durable, and what became of it.
std::string describe(const Disk& before, const CrashState& state);

}  // namespace qubes::storage::simulation

#endif
