// SPDX-License-Identifier: LGPL-2.1-or-later
// What the marks say was done, and so what is owed: after each mark, the states in which each
// volume may be found when the power goes there. The oracle of the simulation says what each
// operation owes.
#ifndef QUBES_STORAGE_TESTVM_CRASH_HISTORY_H
#define QUBES_STORAGE_TESTVM_CRASH_HISTORY_H

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "testvm/crash/marks.h"

namespace qubes::storage::crash {

// What each chunk of a session may hold that was written and not flushed. One value: it was not
// touched since the flush, so it must be there.
using Chunks = std::array<std::set<simulation::Symbol>, simulation::kBlocksMax>;

struct Belief {
  std::vector<simulation::State> alternatives;
  std::vector<simulation::Revision> ghosts;  // removed, but not durably
  Chunks chunks;

  bool allows(const simulation::State& found) const;
  std::string text() const;
};

class History {
 public:
  void add(const std::string& mark);
  static History of(const std::vector<std::string>& marks);
  // One that goes on from what was found after a crash.
  static History from(const std::vector<simulation::VolumeSpec>& volumes,
                      const std::vector<simulation::State>& found);

  const std::vector<simulation::VolumeSpec>& volumes() const { return volumes_; }
  // How many marks there were when promises began; 0: never.
  std::size_t ready_at() const { return ready_at_; }
  // As they are between two operations.
  const std::vector<simulation::State>& now() const { return now_; }
  simulation::Expectation expected(const Act& act) const;
  // Whether any content that is there, or may come back, has it.
  bool uses(simulation::Symbol symbol) const;
  std::size_t marks() const { return marks_.size(); }
  // The power went when so many marks had been left.
  const Belief& belief(std::size_t marks, std::size_t volume) const {
    return beliefs_[marks][volume];
  }
  // What the running library did wrong, without any crash; empty: nothing.
  const std::string& complaint() const { return complaint_; }
  // The marks of the last few operations.
  std::string story(std::size_t marks) const;

 private:
  void take(const Found& found);
  void begin(const Act& act);
  void done(const Answer& answer);
  void accept(const Answer& answer, const simulation::State& found);
  void remember_ghosts(const simulation::State& before, const simulation::State& after);
  simulation::Content written(const Act& act) const;
  std::vector<Belief> beliefs() const;

  std::vector<std::string> marks_;
  std::vector<simulation::VolumeSpec> volumes_;
  std::vector<simulation::State> now_;
  std::vector<Chunks> chunks_;
  std::vector<std::vector<simulation::Revision>> ghosts_;
  std::optional<Act> act_;  // begun and not answered
  simulation::Expectation expected_;
  std::vector<std::vector<Belief>> beliefs_;  // by number of marks, and volume
  std::size_t ready_at_ = 0;
  std::string complaint_;
};

}  // namespace qubes::storage::crash

#endif
