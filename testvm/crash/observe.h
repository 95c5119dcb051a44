// SPDX-License-Identifier: LGPL-2.1-or-later
// A real pool as the oracle of the simulation sees one: its files and their content.
#ifndef QUBES_STORAGE_TESTVM_CRASH_OBSERVE_H
#define QUBES_STORAGE_TESTVM_CRASH_OBSERVE_H

#include <set>
#include <string>
#include <vector>

#include "tests/simulation/oracle.h"

namespace qubes::storage::crash {

// The files in the directories of these volumes, at rest: all of it counts as durable. Files that
// are not the library's are added to `foreign`, if it is not null.
simulation::Disk observe(const std::string& pool, const std::vector<simulation::VolumeSpec>& specs,
                         std::set<std::string>* foreign = nullptr);

}  // namespace qubes::storage::crash

#endif
