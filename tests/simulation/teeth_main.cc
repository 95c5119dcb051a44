// SPDX-License-Identifier: LGPL-2.1-or-later
// `make teeth`: the library with one mistake in it, again and again; the explorer must catch each.
// What it does not catch must stand in the table of steps that are not needed for safety, with the
// reason.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "tests/simulation/grounds.h"

using namespace qubes::storage::simulation;

namespace {

// Where a mutation shows; without visits: nobody knows.
struct Place {
  const Ground* ground;
  const std::vector<VisitId>* visits;
};

struct Tooth {
  std::unique_ptr<Mutation> mutation;
  std::vector<Place> broad;
  std::vector<Place> deep;  // where it is not caught in those
};
using Teeth = std::map<std::string, Tooth>;

void add(Teeth& teeth, std::unique_ptr<Mutation> mutation, const Place& place,
         std::vector<Place> Tooth::*where) {
  Tooth& tooth = teeth[mutation->name()];
  (tooth.*where).push_back(place);
  if (!tooth.mutation) tooth.mutation = std::move(mutation);
}

void add_all(Teeth& teeth, const Grounds& grounds, std::vector<Place> Tooth::*where) {
  for (const Ground& ground : grounds) {
    for (auto& mistake : realistic_mistakes()) {
      add(teeth, std::move(mistake), {&ground, nullptr}, where);
    }
    if (ground.model.name == "other") continue;  // the same steps as on Btrfs, but for the clones
    for (const auto& [step, visits] : ground.recorded.steps) {
      add(teeth, without(step.first, step.second), {&ground, &visits}, where);
    }
    for (const auto& [pair, visits] : ground.recorded.pairs) {
      const auto& [operation, steps] = pair;
      if (steps.first == steps.second) continue;
      add(teeth, swapped(operation, steps.first, steps.second), {&ground, &visits}, where);
    }
  }
}

// The first violation in that place, if there is one.
std::vector<Violation> bite(const Mutation& mutation, const Place& place) {
  const Ground& ground = *place.ground;
  Limits limits = ground.limits;
  if (place.visits != nullptr) limits.states_max += ground.sound.states();
  Explorer explorer(ground.scenario, ground.model, limits, &mutation);
  if (place.visits != nullptr) {
    explorer.run_from(ground.sound, *place.visits);
  } else {
    explorer.run();
  }
  return explorer.violations();
}

// Where it was caught, by filesystem; empty: nowhere.
std::map<std::string, std::string> catch_it(const Mutation& mutation,
                                            const std::vector<Place>& places, bool verbose) {
  std::map<std::string, std::string> caught;
  for (const Place& place : places) {
    const std::string& filesystem = place.ground->model.name;
    if (caught.count(filesystem) != 0) continue;
    for (const Violation& violation : bite(mutation, place)) {
      caught[filesystem] = place.ground->scenario.name;
      if (verbose) std::printf("%s    %s\n", violation.trace.c_str(), violation.complaint.c_str());
    }
  }
  return caught;
}

struct Tally {
  std::size_t caught = 0;
  std::size_t missed = 0;
  std::size_t needless = 0;
};

// A line of the table: where it was caught, or why it need not be.
void judge(const std::string& name, const Tooth& tooth, bool verbose, Tally& tally) {
  auto caught = catch_it(*tooth.mutation, tooth.broad, verbose);
  if (caught.empty()) caught = catch_it(*tooth.mutation, tooth.deep, verbose);
  const char* const reason = why_needless(name);
  std::string where;
  for (const auto& [filesystem, scenario] : caught) {
    where += ' ' + filesystem + " (" + scenario + ')';
  }
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

// Those teeth that no other job has taken.
Tally work(const Teeth& teeth, const std::string& only, std::atomic<std::size_t>& next) {
  Tally tally;
  std::size_t index = 0;
  std::size_t mine = next++;
  for (const auto& [name, tooth] : teeth) {
    if (index++ != mine) continue;
    mine = next++;
    if (name.find(only) != std::string::npos) judge(name, tooth, !only.empty(), tally);
  }
  return tally;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const Grounds broad = broad_grounds();
  const Grounds deep = deep_grounds();
  Teeth teeth;
  add_all(teeth, broad, &Tooth::broad);
  add_all(teeth, deep, &Tooth::deep);
  // What shows in the deep grounds alone are the same steps after other leftovers.
  std::erase_if(teeth, [](const auto& item) { return item.second.broad.empty(); });

  void* const shared = mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ends[2];
  if (shared == MAP_FAILED || pipe(ends) != 0) return 1;
  auto& next = *new (shared) std::atomic<std::size_t>(0);
  constexpr std::size_t kJobs = 2;
  for (std::size_t job = 0; job < kJobs; ++job) {
    if (fork() != 0) continue;
    const Tally tally = work(teeth, only, next);
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
