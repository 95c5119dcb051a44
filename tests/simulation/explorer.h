// SPDX-License-Identifier: LGPL-2.1-or-later
// Visits every state that operations and crashes can reach: breadth first, equal states once. From
// each, every operation is run by the real library; after every step of it every crash is tried,
// recovered, and compared with what the oracle expects; and what comes out of that is a state to go
// on from.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_EXPLORER_H
#define QUBES_STORAGE_TESTS_SIMULATION_EXPLORER_H

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/simulation/crash.h"
#include "tests/simulation/normal_form.h"
#include "tests/simulation/scenario.h"

namespace qubes::storage::simulation {

struct Limits {
  int crashes_max = 2;  // one after the other, so also during recovery
  std::size_t states_max = 400'000;
  std::size_t pending_max = 6;  // at rest: then the filesystem's own periodic commit comes
  int violations_max = 1;       // then stop
};

// A library with a mistake in it; for the teeth.
class Mutation {
 public:
  virtual ~Mutation() = default;
  virtual std::string name() const = 0;
  // What the library gets instead of the filesystem.
  virtual std::shared_ptr<Filesystem> filesystem(std::shared_ptr<SimulatedFilesystem> fs,
                                                 const Act&) const {
    return fs;
  }
  // Stands before `inner` at each step; null: nobody does.
  virtual std::unique_ptr<StepObserver> observer(const Act&, StepObserver& inner) const {
    (void)inner;
    return nullptr;
  }
};

// What the explorer knows of a volume beside the disk.
struct VolumeModel {
  State now;
  std::vector<State> fallback;  // what a power cut may bring back: an operation died unanswered
  bool is_running = false;      // a guest may write
};

struct World {
  Disk disk;
  std::vector<VolumeModel> models;
};

struct Violation {
  std::string complaint;
  std::string trace;
};

// An operation from a state: those of a finished explorer, by their numbers.
struct VisitId {
  std::uint32_t node = 0;
  std::uint32_t act = 0;  // in operations()
  bool operator==(const VisitId&) const = default;
};

class Explorer {
 public:
  Explorer(Scenario scenario, CrashModel model, Limits limits, const Mutation* mutation = nullptr);
  ~Explorer();

  void run();
  // The same with a mutation that shows in these operations only: they are run from the states that
  // the sound library reached, and what is new by that is explored. A violation is the mutation's.
  void run_from(const Explorer& sound, const std::vector<VisitId>& visits);
  std::function<void(const VisitId&)> on_visit;  // before each
  bool keeps_worlds = false;                     // for run_from
  static void to_normal_form(const Scenario& scenario, World& world);

  std::size_t states() const { return visited_.size(); }
  std::size_t crashes_checked() const { return checked_.size(); }
  std::size_t operations_run() const { return operations_run_; }
  // How many there were when all states with so many crashes had been visited.
  const std::vector<std::size_t>& by_crashes() const { return by_crashes_; }
  bool is_complete() const { return is_complete_; }
  const std::vector<Violation>& violations() const { return violations_; }

 private:
  struct Edge {
    Act act;
    std::uint32_t crash = 0;  // which of the crashes of this operation, from 1; 0: it was completed
  };
  struct Node {
    std::uint32_t parent;
    Edge edge;
    int crashes;
    bool is_sound;  // reached without the mutation
  };

  void explore_queues();
  void visit(const VisitId& id, const World& world, int crashes);
  void add(World world, std::uint32_t parent, const Edge& edge, int crashes);
  static void commit_names(World& world);
  void expand(std::uint32_t id, const World& world, int crashes);
  void report(std::uint32_t parent, const Edge& edge, const std::string& complaint);
  std::string trace(std::uint32_t parent, const Edge& edge);
  std::string serialized_world(World& world);  // brings it into its normal form
  World deserialized_world(std::string_view bytes) const;
  bool is_full() const;

  const Scenario scenario_;
  const CrashModel model_;
  const Limits limits_;
  const Mutation* const mutation_;
  const std::vector<Act> acts_;
  std::vector<Node> nodes_;
  std::vector<std::string> worlds_;                                        // by node, if kept
  std::vector<std::deque<std::pair<std::uint32_t, std::string>>> queues_;  // by crashes so far
  std::unordered_map<std::uint64_t, int> visited_;                         // with how few crashes
  std::unordered_set<std::uint64_t> checked_;
  std::vector<Violation> violations_;
  std::set<std::string> complaints_;
  std::size_t operations_run_ = 0;
  std::vector<std::size_t> by_crashes_;
  bool is_complete_ = true;
};

}  // namespace qubes::storage::simulation

#endif
