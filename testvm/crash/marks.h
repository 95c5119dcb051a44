// SPDX-License-Identifier: LGPL-2.1-or-later
// What the workload notes on the recorded disk, past the end of the filesystem: which volumes there
// are, what it begins, what was answered. One line each; see the end of marks.cc for examples.
#ifndef QUBES_STORAGE_TESTVM_CRASH_MARKS_H
#define QUBES_STORAGE_TESTVM_CRASH_MARKS_H

#include <cstdint>
#include <string>

#include "tests/simulation/oracle.h"

namespace qubes::storage::crash {

struct Act {
  simulation::Verb verb = simulation::Verb::recover;
  std::size_t volume = 0;
  int keep = 0;
  simulation::Symbol fresh = 0;
  // Which chunks a write touches. A discard of blocks is a write of zeros: `fresh` is 0.
  unsigned chunks = 0;
  // The volume that is imported from; -1: none, the content is `fresh`.
  int source = -1;

  bool is_guest() const {
    return verb == simulation::Verb::write || verb == simulation::Verb::flush;
  }
};

struct Answer {
  std::string code;  // "OK", or the name of the library's code
  simulation::State state;
};

// A volume as it was found, and not made by an operation that was noted: after a reset.
struct Found {
  std::size_t volume = 0;
  simulation::State state;
};

inline unsigned all_chunks(std::size_t count) {
  return (1u << count) - 1;
}

std::string text_of(const simulation::VolumeSpec& spec);
std::string text_of(const Act& act);
std::string text_of(const Answer& answer);
std::string text_of(const Found& found);

// These throw std::invalid_argument.
simulation::VolumeSpec parse_volume(const std::string& text);
Act parse_act(const std::string& text);
Answer parse_answer(const std::string& text);
Found parse_found(const std::string& text);

// Leaves marks on the device, in order, a sector each. Each is on the device (not flushed) when it
// returns.
class Marker {
 public:
  // DEVICE:OFFSET. An empty place: nowhere.
  explicit Marker(const std::string& place);
  ~Marker();
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;

  void leave(const std::string& text);  // at most 500 bytes

 private:
  int device_ = -1;
  std::uint64_t offset_ = 0;
};

}  // namespace qubes::storage::crash

#endif
