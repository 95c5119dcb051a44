// SPDX-License-Identifier: LGPL-2.1-or-later
// `make teeth`: the library with one mistake in it, again and again; the explorer must catch each. What it does
// not catch must stand in the table of steps that are not needed for safety, with the reason.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/simulation/mutations.h"

using namespace qubes::storage::simulation;

namespace {

struct Ground {
  Scenario scenario;
  CrashModel model;
  Recorded recorded;
};

Limits limits_of_teeth() {
  Limits limits;
  limits.crashes_max = 1;
  limits.states_max = 3'000;
  return limits;
}

std::vector<Ground> all_grounds() {
  std::vector<Ground> grounds;
  for (const char* filesystem : {"xfs", "btrfs", "other"}) {
    for (const Scenario& scenario : all_scenarios()) {
      Ground ground{scenario, model_of(filesystem), {}};
      const auto mutation = recording(ground.recorded);
      Explorer explorer(scenario, ground.model, limits_of_teeth(), mutation.get());
      explorer.run();
      grounds.push_back(std::move(ground));
    }
  }
  return grounds;
}

// Where it was caught, by filesystem; empty: nowhere.
std::map<std::string, std::string> catch_it(const std::vector<const Ground*>& grounds,
                                            const Mutation& mutation, bool verbose) {
  std::map<std::string, std::string> caught;
  for (const Ground* ground : grounds) {
    if (caught.count(ground->model.name) != 0) continue;
    Explorer explorer(ground->scenario, ground->model, limits_of_teeth(), &mutation);
    explorer.run();
    if (explorer.violations().empty()) continue;
    const Violation& violation = explorer.violations().front();
    caught[ground->model.name] = ground->scenario.name;
    if (verbose) std::printf("%s    %s\n", violation.trace.c_str(), violation.complaint.c_str());
  }
  return caught;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const std::vector<Ground> grounds = all_grounds();
  std::map<std::string, std::pair<std::unique_ptr<Mutation>, std::vector<const Ground*>>> mutations;
  auto add = [&](std::unique_ptr<Mutation> mutation, const Ground& ground) {
    auto& entry = mutations[mutation->name()];
    if (!entry.first) entry.first = std::move(mutation);
    entry.second.push_back(&ground);
  };
  for (const Ground& ground : grounds) {
    for (auto& mistake : realistic_mistakes()) add(std::move(mistake), ground);
    if (ground.model.name == "other") continue;  // the same steps as on Btrfs, but for the clones
    for (const auto& [operation, step] : ground.recorded.steps) {
      add(without(operation, step), ground);
    }
    for (const auto& [operation, steps] : ground.recorded.pairs) {
      if (steps.first != steps.second) add(swapped(operation, steps.first, steps.second), ground);
    }
  }
  std::size_t caught_count = 0, count = 0;
  for (const auto& [name, entry] : mutations) {
    if (name.find(only) == std::string::npos) continue;
    const auto caught = catch_it(entry.second, *entry.first, !only.empty());
    std::string where;
    for (const auto& [filesystem, scenario] : caught) where += ' ' + filesystem + " (" + scenario + ')';
    std::printf("%-9s %s:%s\n", caught.empty() ? "NOT" : "caught", name.c_str(), where.c_str());
    std::fflush(stdout);
    ++count;
    if (!caught.empty()) ++caught_count;
  }
  std::printf("teeth: %zu of %zu caught\n", caught_count, count);
}
