// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/grounds.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace qubes::storage::simulation {
namespace {

Limits broad_limits() {
  Limits limits;
  limits.crashes_max = 1;
  limits.states_max = 3'000;
  return limits;
}

Limits deep_limits() {
  Limits limits;
  limits.states_max = 12'000;
  return limits;
}

std::vector<Scenario> deep_scenarios() {
  using enum Verb;
  const VolumeSpec root = {Kind::origin, "vm-templates", "t", "root", -1, 1, 1};
  const VolumeSpec growing = {Kind::origin, "vm-templates", "t", "root", -1, 1, 2};
  const std::vector<Verb> verbs = {create, start, write, stop, import, recover};
  const std::vector<Verb> history = {create, import, revert, prune, discard, remove, start};
  return {
      {"two crashes, keep 0", {root}, {0}, verbs, false},
      {"two crashes, keep 1", {root}, {1}, verbs, false},
      {"two crashes, resized", {growing}, {1}, {create, start, grow, shrink}, false},
      {"two crashes, grown", {growing}, {1}, {create, start, stop, grow, revert}, false},
      {"two crashes, history", {root}, {1}, history, false},
      {"two crashes, in place", {root}, {2, -1}, {create, import, start, stop}, false},
  };
}

// Else what is caught says nothing.
void require_sound(const Explorer& explorer) {
  if (explorer.violations().empty()) return;
  const Violation& violation = explorer.violations().front();
  std::printf("without any mistake:\n%s    %s\n", violation.trace.c_str(),
              violation.complaint.c_str());
  std::exit(1);
}

}  // namespace

Ground::Ground(Scenario scenario_in, const char* filesystem, const Limits& limits_in)
    : scenario(std::move(scenario_in)),
      model(model_of(filesystem)),
      limits(limits_in),
      recorder(recording(recorded)),
      sound(scenario, model, limits, recorder.get()) {
  sound.keeps_worlds = true;
  sound.on_visit = [this](const VisitId& id) { recorded.now = id; };
  sound.run();
  require_sound(sound);
}

Grounds broad_grounds() {
  Grounds grounds;
  for (const char* filesystem : {"xfs", "btrfs", "other"}) {
    for (const Scenario& scenario : all_scenarios()) {
      grounds.emplace_back(scenario, filesystem, broad_limits());
    }
  }
  return grounds;
}

Grounds deep_grounds() {
  Grounds grounds;
  for (const Scenario& scenario : deep_scenarios()) {
    for (const char* filesystem : {"xfs", "btrfs"}) {
      grounds.emplace_back(scenario, filesystem, deep_limits());
    }
  }
  return grounds;
}

}  // namespace qubes::storage::simulation
