// SPDX-License-Identifier: LGPL-2.1-or-later
// States of volumes as bytes, so that many can be kept and compared.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_WORLD_BYTES_H
#define QUBES_STORAGE_TESTS_SIMULATION_WORLD_BYTES_H

#include <string>
#include <string_view>

#include "tests/simulation/normal_form.h"
#include "tests/simulation/oracle.h"

namespace qubes::storage::simulation {

void append(std::string& bytes, const State& state);
void append(std::string& bytes, const std::vector<State>& states);
State take_state(std::string_view& bytes);
std::vector<State> take_states(std::string_view& bytes);

// The same state in the names of a normal form.
State renamed(Renaming& renaming, const std::string& volume, State state);

}  // namespace qubes::storage::simulation

#endif
