// SPDX-License-Identifier: LGPL-2.1-or-later
// The one representative of all disks that behave alike: inodes, symbols, revision numbers and
// times renamed in the order in which a fixed walk meets them, and what nothing refers to left out.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_NORMAL_FORM_H
#define QUBES_STORAGE_TESTS_SIMULATION_NORMAL_FORM_H

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "tests/simulation/disk.h"

namespace qubes::storage::simulation {

// How the names changed, for who remembers something about the disk.
struct Renaming {
  std::array<Symbol, 256> symbols{};  // 0 where the disk does not have it (and for zeros)
  Symbol symbols_used = 0;
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> numbers;  // by volume

  Content operator()(Content content);  // unknown symbols get the next free one
  std::int64_t operator()(const std::string& volume, std::int64_t number) const;
};

// What is kept of times: which are equal, and whether a session's ctime is near its mtime (not
// their order: it counts only among revisions of one number). Of numbers: their order. Of inodes
// and symbols: which are the same.
Renaming normalize(Disk& disk);

// For storing many, and for telling whether two are equal.
std::string serialized(const Disk& disk);
Disk deserialized(std::string_view& bytes);  // takes what it reads off the front

std::uint64_t hash_of(std::string_view bytes);

}  // namespace qubes::storage::simulation

#endif
