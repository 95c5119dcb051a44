// SPDX-License-Identifier: LGPL-2.1-or-later
// Every operation with every one of its calls failing in every way: a typed error, the old state or
// the new, nothing left over or held, and a second try succeeds.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_FAULTS_H
#define QUBES_STORAGE_TESTS_SIMULATION_FAULTS_H

#include <cstddef>
#include <string>
#include <vector>

namespace qubes::storage::simulation {

struct FaultReport {
  std::size_t injected = 0;
  std::vector<std::string> violations;
};

// Over the simulated filesystem, with every power cut after the fault.
void simulated_faults(const std::string& filesystem, FaultReport& report);

// Over the real one, in this directory.
void real_faults(const std::string& directory, FaultReport& report);

}  // namespace qubes::storage::simulation

#endif
