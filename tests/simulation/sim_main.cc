// SPDX-License-Identifier: LGPL-2.1-or-later
// `make sim`: explores every scenario under each crash model, on a few processes, and says how much
// that was.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/simulation/explorer.h"

using namespace qubes::storage::simulation;

namespace {

struct Options {
  std::string program;
  std::vector<std::string> models;
  Limits limits;
  std::string scenario;
  int jobs = 2;
};

struct Totals {
  std::size_t states = 0;
  std::size_t violations = 0;
  std::size_t complete = 0;  // scenarios of which every state was visited
  std::size_t cut_off = 0;

  void add(const Totals& other) {
    states += other.states;
    violations += other.violations;
    complete += other.complete;
    cut_off += other.cut_off;
  }
};

[[noreturn]] void usage() {
  std::fputs(
      "usage: sim [--model xfs|btrfs|ext4|other]... [--states N] [--crashes N] [--jobs N]\n"
      "           [--scenario PART-OF-NAME] [--violations N]\n",
      stderr);
  std::exit(2);
}

Options options_of(int argc, char** argv) {
  Options options;
  options.program = argv[0];
  options.limits.states_max = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (i + 1 == argc) usage();
    const std::string value = argv[++i];
    if (option == "--model") {
      options.models.push_back(value);
    } else if (option == "--states") {
      options.limits.states_max = std::stoul(value);
    } else if (option == "--crashes") {
      options.limits.crashes_max = std::stoi(value);
    } else if (option == "--violations") {
      options.limits.violations_max = std::stoi(value);
    } else if (option == "--jobs") {
      options.jobs = std::stoi(value);
    } else if (option == "--scenario") {
      options.scenario = value;
    } else {
      usage();
    }
  }
  if (options.models.empty()) options.models = {"xfs", "btrfs", "ext4", "other"};
  return options;
}

// Of each scenario, so that all of it takes less than five minutes on two cores. The models
// without reflink differ from the other two in what is cloned only.
std::size_t states_max_of(const std::string& filesystem) {
  return filesystem == "xfs" ? 70'000 : filesystem == "btrfs" ? 45'000 : 15'000;
}

Totals explore(const std::string& program, const Scenario& scenario, const CrashModel& model,
               const Limits& limits) {
  Explorer explorer(scenario, model, limits);
  explorer.run();
  std::string text;
  for (const Violation& one : explorer.violations()) {
    text += "VIOLATION (blocks: the number of the write that they are of, 0 for zeros)\n" +
            one.trace + "    " + one.complaint + "\nrepeat: " + program + " --model " + model.name +
            " --states " + std::to_string(limits.states_max) + " --scenario '" + scenario.name +
            "'\n";
  }
  char line[300];
  std::snprintf(line, sizeof line, "%-6s %-48s %8zu states %8zu crashes %9zu operations, %s\n",
                model.name.c_str(), scenario.name.c_str(), explorer.states(),
                explorer.crashes_checked(), explorer.operations_run(),
                explorer.is_complete() ? "complete" : "cut off at the limit of states");
  text += line;
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  return {explorer.states(), explorer.violations().size(), explorer.is_complete() ? 1u : 0u,
          explorer.is_complete() ? 0u : 1u};
}

// Every `jobs`-th scenario; what was found goes through the pipe.
void work(const Options& options, const CrashModel& model, int job, int pipe) {
  const std::vector<Scenario> scenarios = all_scenarios();
  Totals totals;
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    if (static_cast<int>(i) % options.jobs != job) continue;
    if (scenarios[i].name.find(options.scenario) == std::string::npos) continue;
    totals.add(explore(options.program, scenarios[i], model, options.limits));
  }
  if (write(pipe, &totals, sizeof totals) != sizeof totals) std::abort();
}

Totals run_jobs(const Options& options, const CrashModel& model) {
  Totals totals;
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  for (int job = 0; job < options.jobs; ++job) {
    if (fork() == 0) {
      work(options, model, job, ends[1]);
      _exit(0);
    }
  }
  for (int job = 0; job < options.jobs; ++job) {
    int status = 0;
    wait(&status);
    Totals one{0, 1, 0, 0};  // one that died counts as a violation
    if (status == 0 && read(ends[0], &one, sizeof one) != sizeof one) std::abort();
    totals.add(one);
  }
  close(ends[0]);
  close(ends[1]);
  return totals;
}

void say_what_was_not_explored(const Totals& all, const Limits& limits) {
  std::printf(
      "not explored (docs/CRASH_MODEL.md, 3):\n"
      "  %zu of %zu scenarios beyond the limit of states: breadth first, so their longer ways\n"
      "  more than %d crashes one after the other; more than %zu unsynced names between "
      "operations\n"
      "  two operations at once, but for a recovery while an import is held\n"
      "  import_volume, import_fd, export: their copying; what publishes it is that of import\n"
      "  more than three volumes; more than %zu blocks; a failing primitive (make faults)\n",
      all.cut_off, all.cut_off + all.complete, limits.crashes_max, limits.pending_max, kBlocksMax);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  Totals all;
  for (const std::string& name : options.models) {
    const CrashModel model = model_of(name);
    Options one = options;
    if (one.limits.states_max == 0) one.limits.states_max = states_max_of(name);
    const Totals totals = run_jobs(one, model);
    std::printf("simulation: %zu states, %zu violations (%s)\n", totals.states, totals.violations,
                name.c_str());
    std::fflush(stdout);
    all.add(totals);
  }
  say_what_was_not_explored(all, options.limits);
  std::printf("simulation: %zu states, %zu violations\n", all.states, all.violations);
  return all.violations == 0 ? 0 : 1;
}
