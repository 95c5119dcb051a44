// SPDX-License-Identifier: LGPL-2.1-or-later
// `make faults`: over the simulated filesystems, and over a real one in the directory that is
// given.
#include <cstdio>
#include <set>

#include "tests/simulation/faults.h"

using namespace qubes::storage::simulation;

int main(int argc, char** argv) {
  FaultReport report;
  for (const char* filesystem : {"xfs", "btrfs", "ext4", "other"}) {
    const std::size_t before = report.injected;
    simulated_faults(filesystem, report);
    std::printf("simulated %-6s %zu injected\n", filesystem, report.injected - before);
  }
  for (int i = 1; i < argc; ++i) {
    const std::size_t before = report.injected;
    real_faults(argv[i], report);
    std::printf("real %s: %zu injected\n", argv[i], report.injected - before);
  }
  for (const std::string& violation : report.violations) {
    std::printf("VIOLATION %s\n", violation.c_str());
  }
  std::printf("faults: %zu injected, %zu violations\n", report.injected, report.violations.size());
  return report.violations.empty() ? 0 : 1;
}
