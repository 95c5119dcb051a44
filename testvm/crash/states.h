// SPDX-License-Identifier: LGPL-2.1-or-later
// Which states of the disk a power cut may leave, from the log of its writes. In each window
// between two flushes any subset of the writes may be there; which subsets are tried, and how each
// is named:
//
//   wN:none         none of window N, all before it
//   wN:first:K      the first K
//   wN:without:K    all but the K-th (from 1)
//   wN:only:K       the K-th alone
//   wN:random:SEED  a random subset
//   wN:torn:K:SEED  those before the K-th, or a random subset, and of the K-th some of its sectors
#ifndef QUBES_STORAGE_TESTVM_CRASH_STATES_H
#define QUBES_STORAGE_TESTVM_CRASH_STATES_H

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "testvm/crash/log.h"

namespace qubes::storage::crash {

enum class Cut { none, first, without, only, random, torn };

struct StateName {
  std::size_t window = 0;
  Cut cut = Cut::none;
  std::size_t index = 0;
  std::uint64_t seed = 0;

  std::string text() const;
  bool operator==(const StateName&) const = default;
};

StateName parse_state_name(const std::string& text);  // throws std::invalid_argument

// A write that reached the disk, or the part of it that did.
struct Piece {
  std::size_t write = 0;
  std::vector<bool> units;  // of tear_bytes each; empty: all of it
};

struct Enumeration {
  std::size_t tear_bytes = kSectorBytes;
  std::size_t random_per_window = 6;
  std::size_t torn_per_window = 6;
};

// The pieces of the state's window, in order.
std::vector<Piece> pieces_of(const Log& log, const StateName& name, const Enumeration& how);

// Calls `apply` with each run of sectors that is on the disk: null data stands for zeros.
template <typename Apply>
void for_each_run(const Write& write, const Piece& piece, std::size_t tear_bytes, Apply apply) {
  if (piece.units.empty()) return apply(write.sector, write.sectors, write.data.data);
  const std::uint64_t per_unit = tear_bytes / kSectorBytes;
  for (std::size_t i = 0; i < piece.units.size(); ++i) {
    const std::uint64_t at = i * per_unit;
    if (!piece.units[i]) continue;
    apply(write.sector + at, std::min(per_unit, write.sectors - at),
          write.data.data == nullptr ? nullptr : write.data.data + at * kSectorBytes);
  }
}

// The marks between which the power may have gone: `first_mark` had been left for certain, and up
// to `last_mark` may have been.
struct Moment {
  std::size_t first_mark = 0;
  std::size_t last_mark = 0;
  bool operator==(const Moment&) const = default;
};

struct CrashState {
  StateName name;  // the first of its names
  std::uint64_t hash = 0;
  std::vector<Moment> moments;
};

struct States {
  std::vector<CrashState> distinct;  // in the order of the log
  std::size_t named = 0;
};

// All states of the windows that end after `marks_min` marks.
States enumerate(const Log& log, std::size_t marks_min, const Enumeration& how);

}  // namespace qubes::storage::crash

#endif
