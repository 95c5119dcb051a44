// SPDX-License-Identifier: LGPL-2.1-or-later
// What the teeth bite on: the sound library, explored, with the places where each of its steps was
// seen.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_GROUNDS_H
#define QUBES_STORAGE_TESTS_SIMULATION_GROUNDS_H

#include <deque>
#include <memory>

#include "tests/simulation/mutations.h"

namespace qubes::storage::simulation {

struct Ground {
  Ground(Scenario scenario_in, const char* filesystem, const Limits& limits_in);
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  const Scenario scenario;
  const CrashModel model;
  const Limits limits;
  Recorded recorded;
  const std::unique_ptr<Mutation> recorder;
  Explorer sound;
};
using Grounds = std::deque<Ground>;

// Many scenarios, one crash.
Grounds broad_grounds();
// Few operations, so that a second crash after the first is within the limit.
Grounds deep_grounds();

}  // namespace qubes::storage::simulation

#endif
