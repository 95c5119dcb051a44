// SPDX-License-Identifier: LGPL-2.1-or-later
// Random numbers that are the same everywhere for one seed: the names of states and plans depend on
// it. (The distributions of the standard library are not.)
#ifndef QUBES_STORAGE_TESTVM_CRASH_RANDOM_H
#define QUBES_STORAGE_TESTVM_CRASH_RANDOM_H

#include <cstddef>
#include <cstdint>

namespace qubes::storage::crash {

// The step of splitmix64.
inline std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mixed(seed)) {}

  std::uint64_t next() { return state_ = mixed(state_); }
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(next() % end); }
  bool one_in(std::size_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace qubes::storage::crash

#endif
