// SPDX-License-Identifier: LGPL-2.1-or-later
// What the simulated filesystem gives out: open files, which may hold a lock, and open directories.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_SIMULATED_HANDLES_H
#define QUBES_STORAGE_TESTS_SIMULATION_SIMULATED_HANDLES_H

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "src/fs/filesystem.h"
#include "tests/simulation/disk.h"

namespace qubes::storage::simulation {

// flock, by inode: -1 exclusive, else how many share it.
using Locks = std::map<InodeNumber, int>;

struct SimulatedDirectory final : Directory {
  SimulatedDirectory(InodeNumber inode_in, std::string path_in, std::shared_ptr<int> count_in)
      : inode(inode_in), name(std::move(path_in)), count(std::move(count_in)) {
    ++*count;
  }
  ~SimulatedDirectory() override { --*count; }
  const std::string& path() const override { return name; }

  const InodeNumber inode;
  const std::string name;
  const std::shared_ptr<int> count;
};

struct SimulatedFile final : File {
  SimulatedFile(InodeNumber inode_in, std::string name_in, std::shared_ptr<int> count_in,
                std::shared_ptr<Locks> locks_in)
      : inode(inode_in),
        name(std::move(name_in)),
        count(std::move(count_in)),
        locks(std::move(locks_in)) {
    ++*count;
  }
  ~SimulatedFile() override {
    --*count;
    unlock();
  }
  void unlock() {
    if (held == 0) return;
    (*locks)[inode] = held < 0 ? 0 : (*locks)[inode] - 1;
    held = 0;
  }

  const InodeNumber inode;
  std::string name;
  int held = 0;  // -1 exclusive, 1 shared
  const std::shared_ptr<int> count;
  const std::shared_ptr<Locks> locks;
};

}  // namespace qubes::storage::simulation

#endif
