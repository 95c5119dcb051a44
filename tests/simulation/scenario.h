// SPDX-License-Identifier: LGPL-2.1-or-later
// A small set of volumes, what is done to them, and how: the real library over a simulated
// filesystem.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_SCENARIO_H
#define QUBES_STORAGE_TESTS_SIMULATION_SCENARIO_H

#include <functional>
#include <string>
#include <vector>

#include "src/fs/error.h"
#include "src/pool.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/simulated_filesystem.h"

namespace qubes::storage::simulation {

struct Scenario {
  std::string name;
  std::vector<VolumeSpec> volumes;
  std::vector<int> keeps;  // revisions_to_keep: each operation may see each of them
  std::vector<Verb> verbs;
  bool has_foreign_files = false;  // look-alikes that nothing may touch
};

std::vector<Scenario> all_scenarios();

// The pool set up, no volume yet, everything durable.
Disk initial_disk(const Scenario& scenario);

struct Act {
  Verb verb = Verb::recover;
  std::size_t volume = 0;
  int keep = 0;
  std::string text(const Scenario& scenario) const;
};

// Those that make sense of a volume in this scenario, whatever its state.
std::vector<Act> operations(const Scenario& scenario);

struct Answer {
  bool is_ok = false;
  Code code = Code::ok;
  std::string message;
};

// Runs one operation in a process of its own. `answered` is called between the answer and the work
// in the background.
Answer run(const std::shared_ptr<SimulatedFilesystem>& simulated, std::shared_ptr<Filesystem> fs,
           const Scenario& scenario, const Act& operation,
           const std::function<void(const Answer&)>& answered);

std::shared_ptr<Volume> open_volume(Pool& pool, const Scenario& scenario, std::size_t volume,
                                    int keep);
PoolConfig pool_config();

}  // namespace qubes::storage::simulation

#endif
