// SPDX-License-Identifier: LGPL-2.1-or-later
// `make faults`: over the simulated filesystems, and over real ones: in the directories that are
// given, else loop-mounted where we are root, or in a temporary directory.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/faults.h"
#include "tests/support/loop_mount.h"

using namespace qubes::storage;
using namespace qubes::storage::simulation;

namespace {

std::vector<std::pair<std::string, std::string>> real_places(int argc, char** argv) {
  std::vector<std::pair<std::string, std::string>> places;
  for (int i = 1; i < argc; ++i) places.emplace_back(argv[i], argv[i]);
  if (places.empty() && ::geteuid() != 0) {
    const std::string directory = std::filesystem::temp_directory_path();
    places.emplace_back(directory, directory);
  }
  if (!places.empty()) return places;
  for (const FilesystemKind kind :
       {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4}) {
    std::ostringstream name;
    name << kind;
    places.emplace_back(name.str(), test::mounted(kind).path());
  }
  return places;
}

}  // namespace

int main(int argc, char** argv) {
  FaultReport report;
  for (const char* filesystem : {"xfs", "btrfs", "ext4", "other"}) {
    const std::size_t before = report.injected;
    simulated_faults(filesystem, report);
    std::printf("simulated %-6s %zu injected\n", filesystem, report.injected - before);
  }
  for (const auto& [name, directory] : real_places(argc, argv)) {
    const std::size_t before = report.injected;
    real_faults(directory, report);
    std::printf("real      %-6s %zu injected\n", name.c_str(), report.injected - before);
  }
  for (const std::string& violation : report.violations) {
    std::printf("VIOLATION %s\n", violation.c_str());
  }
  std::printf("faults: %zu injected, %zu violations\n", report.injected, report.violations.size());
  return report.violations.empty() ? 0 : 1;
}
