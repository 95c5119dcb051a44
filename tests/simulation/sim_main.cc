// SPDX-License-Identifier: LGPL-2.1-or-later
// `make sim`: explores every scenario under one crash model or all, on as many processes as asked for.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simulation/explorer.h"

using namespace qubes::storage::simulation;

int main(int argc, char** argv) {
  std::string model = argc > 1 ? argv[1] : "xfs";
  Limits limits;
  if (argc > 2) limits.states_max = std::strtoul(argv[2], nullptr, 10);
  const int only = argc > 3 ? std::atoi(argv[3]) : -1;
  if (argc > 4) limits.crashes_max = std::atoi(argv[4]);
  limits.violations_max = 6;
  std::size_t total = 0, violations = 0;
  int index = 0;
  for (const Scenario& scenario : all_scenarios()) {
    if (only >= 0 && index++ != only) continue;
    Explorer explorer(scenario, model_of(model), limits);
    explorer.run();
    total += explorer.states();
    violations += explorer.violations().size();
    for (const Violation& one : explorer.violations()) {
      std::printf("VIOLATION\n%s    %s\n", one.trace.c_str(), one.complaint.c_str());
    }
    std::printf("%-50s %9zu states %9zu crashes %9zu operations%s\n", scenario.name.c_str(),
                explorer.states(), explorer.crashes_checked(), explorer.operations_run(),
                explorer.is_complete() ? ", complete" : "");
    for (std::size_t n : explorer.by_crashes()) std::printf("   %zu", n);
    std::printf("\n");
    std::fflush(stdout);
  }
  std::printf("simulation: %zu states, %zu violations\n", total, violations);
}
