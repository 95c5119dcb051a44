// SPDX-License-Identifier: LGPL-2.1-or-later
// `make teeth`: the library with one mistake in it, again and again; the explorer must catch each.
// What it does not catch must stand in the table of steps that are not needed for safety, with the
// reason.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
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

// Else what is caught says nothing.
void require_sound(const Explorer& explorer) {
  if (explorer.violations().empty()) return;
  const Violation& violation = explorer.violations().front();
  std::printf("without any mistake:\n%s    %s\n", violation.trace.c_str(),
              violation.complaint.c_str());
  std::fflush(stdout);
  _exit(1);
}

Limits limits_of_teeth() {
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

// Few operations, so that a second crash after the first is within the limit.
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

std::vector<Ground> deep_grounds() {
  std::vector<Ground> grounds;
  for (const Scenario& scenario : deep_scenarios()) {
    for (const char* filesystem : {"xfs", "btrfs"}) {
      Explorer explorer(scenario, model_of(filesystem), deep_limits());
      explorer.run();
      require_sound(explorer);
      grounds.push_back({scenario, model_of(filesystem), {}});
    }
  }
  return grounds;
}

std::vector<Ground> all_grounds() {
  std::vector<Ground> grounds;
  for (const char* filesystem : {"xfs", "btrfs", "other"}) {
    for (const Scenario& scenario : all_scenarios()) {
      Ground ground{scenario, model_of(filesystem), {}};
      const auto mutation = recording(ground.recorded);
      Explorer explorer(scenario, ground.model, limits_of_teeth(), mutation.get());
      explorer.run();
      require_sound(explorer);
      grounds.push_back(std::move(ground));
    }
  }
  return grounds;
}

// Where it was caught, by filesystem; empty: nowhere.
std::map<std::string, std::string> catch_it(const std::vector<const Ground*>& grounds,
                                            const Mutation& mutation, const Limits& limits,
                                            bool verbose) {
  std::map<std::string, std::string> caught;
  for (const Ground* ground : grounds) {
    if (caught.count(ground->model.name) != 0) continue;
    Explorer explorer(ground->scenario, ground->model, limits, &mutation);
    explorer.run();
    if (explorer.violations().empty()) continue;
    const Violation& violation = explorer.violations().front();
    caught[ground->model.name] = ground->scenario.name;
    if (verbose) std::printf("%s    %s\n", violation.trace.c_str(), violation.complaint.c_str());
  }
  return caught;
}

struct Tooth {
  std::unique_ptr<Mutation> mutation;
  std::vector<const Ground*> grounds;
  std::string operation;  // empty: all of them
};

bool has_operation(const Scenario& scenario, const std::string& operation) {
  return operation.empty() ||
         std::any_of(scenario.verbs.begin(), scenario.verbs.end(),
                     [&](Verb verb) { return operation_of(verb) == operation; });
}

std::map<std::string, Tooth> all_teeth(const std::vector<Ground>& grounds) {
  std::map<std::string, Tooth> teeth;
  auto add = [&](std::unique_ptr<Mutation> mutation, const Ground& ground,
                 const std::string& operation) {
    Tooth& tooth = teeth[mutation->name()];
    if (!tooth.mutation) tooth.mutation = std::move(mutation);
    tooth.operation = operation;
    tooth.grounds.push_back(&ground);
  };
  for (const Ground& ground : grounds) {
    for (auto& mistake : realistic_mistakes()) add(std::move(mistake), ground, "");
    if (ground.model.name == "other") continue;  // the same steps as on Btrfs, but for the clones
    for (const auto& [operation, step] : ground.recorded.steps) {
      add(without(operation, step), ground, operation);
    }
    for (const auto& [operation, steps] : ground.recorded.pairs) {
      if (steps.first == steps.second) continue;
      add(swapped(operation, steps.first, steps.second), ground, operation);
    }
  }
  return teeth;
}

struct Tally {
  std::size_t caught = 0;
  std::size_t missed = 0;
  std::size_t needless = 0;
};

// A line of the table: where it was caught, or why it need not be.
void bite(const std::string& name, const Tooth& tooth, const std::vector<Ground>& deep,
          bool verbose, Tally& tally) {
  auto caught = catch_it(tooth.grounds, *tooth.mutation, limits_of_teeth(), verbose);
  const char* const reason = why_needless(name);
  if (caught.empty()) {
    std::vector<const Ground*> grounds;
    for (const Ground& ground : deep) {
      if (has_operation(ground.scenario, tooth.operation)) grounds.push_back(&ground);
    }
    caught = catch_it(grounds, *tooth.mutation, deep_limits(), verbose);
  }
  std::string where;
  for (const auto& [filesystem, scenario] : caught)
    where += ' ' + filesystem + " (" + scenario + ')';
  if (!caught.empty()) {
    ++tally.caught;
    std::printf("caught    %s:%s\n", name.c_str(), where.c_str());
  } else if (reason != nullptr) {
    ++tally.needless;
    std::printf("no matter %s: %s\n", name.c_str(), reason);
  } else {
    ++tally.missed;
    std::printf("MISSED    %s\n", name.c_str());
  }
  std::fflush(stdout);
}

// This job's share of the teeth.
Tally work(const std::string& only, std::size_t job, std::size_t jobs) {
  const std::vector<Ground> grounds = all_grounds();
  const std::vector<Ground> deep = deep_grounds();
  Tally tally;
  std::size_t index = 0;
  for (const auto& [name, tooth] : all_teeth(grounds)) {
    if (index++ % jobs != job || name.find(only) == std::string::npos) continue;
    bite(name, tooth, deep, !only.empty(), tally);
  }
  return tally;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  constexpr std::size_t kJobs = 2;
  int ends[2];
  if (pipe(ends) != 0) return 1;
  for (std::size_t job = 0; job < kJobs; ++job) {
    if (fork() != 0) continue;
    const Tally tally = work(only, job, kJobs);
    _exit(write(ends[1], &tally, sizeof tally) == sizeof tally ? 0 : 1);
  }
  Tally all;
  for (std::size_t job = 0; job < kJobs; ++job) {
    int status = 0;
    wait(&status);
    Tally one;
    if (status != 0 || read(ends[0], &one, sizeof one) != sizeof one) return 1;
    all.caught += one.caught;
    all.missed += one.missed;
    all.needless += one.needless;
  }
  std::printf("%zu more make no difference that matters, for the reasons above\n", all.needless);
  std::printf("teeth: %zu of %zu caught\n", all.caught, all.caught + all.missed);
  return all.missed == 0 ? 0 : 1;
}
