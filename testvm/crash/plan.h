// SPDX-License-Identifier: LGPL-2.1-or-later
// What the workload does next: random, from a seed, among what makes sense for the volumes as they
// are.
#ifndef QUBES_STORAGE_TESTVM_CRASH_PLAN_H
#define QUBES_STORAGE_TESTVM_CRASH_PLAN_H

#include <vector>

#include "testvm/crash/history.h"
#include "testvm/crash/random.h"

namespace qubes::storage::crash {

std::vector<simulation::VolumeSpec> planned_volumes();

// What there is most of. precaches: what makes them, uses them, and makes them outdated.
enum class Focus { everything, precaches };

class Plan {
 public:
  Plan(std::uint64_t seed, int keep_max, Focus focus = Focus::everything)
      : random_(seed), keep_max_(keep_max), focus_(focus) {}

  Act next(const History& history);
  Random& random() { return random_; }

 private:
  simulation::Verb drawn_verb();
  std::size_t drawn_volume();
  Act drawn(const History& history);
  simulation::Symbol fresh(const History& history) const;
  int source_for(const History& history, std::size_t volume);

  Random random_;
  const int keep_max_;
  const Focus focus_;
  simulation::Symbol symbols_ = 0;
};

}  // namespace qubes::storage::crash

#endif
