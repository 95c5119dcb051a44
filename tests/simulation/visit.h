// SPDX-License-Identifier: LGPL-2.1-or-later
// One operation from one state: run by the real library, crashed after every step, judged by the
// oracle.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_VISIT_H
#define QUBES_STORAGE_TESTS_SIMULATION_VISIT_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/simulation/explorer.h"

namespace qubes::storage::simulation {

std::vector<State> states_of(const World& world);

class Visit final : public StepObserver {
 public:
  Visit(const Scenario& scenario, const CrashModel& model, const World& world, const Act& act,
        const Mutation* mutation);

  bool makes_sense() const;
  void run();
  bool is_good() const { return is_good_; }
  World result() const;

  // Crashes are numbered from 1, in an order that is the same each time. Without on_crash none is
  // tried.
  std::function<void(std::uint32_t crash, World after)> on_crash;
  std::function<void(std::uint32_t crash, const std::string& complaint)> on_complaint;
  std::unordered_set<std::uint64_t>* checked = nullptr;  // what needs no second look
  // Where a primitive failed, the operation may have failed as well: it is judged as if its process
  // had died. Asked when it has answered, and when the background work is done.
  std::function<bool()> has_fault;

  std::uint32_t narrated_crash = 0;  // the one that narration() ends with, and its recovery
  std::string narration() const { return narration_; }
  // Every step that was made, without the narration.
  std::vector<std::string> steps;

  void perform(const Step& step, const std::function<void()>& act) override;

 private:
  using Alternatives = std::vector<State>;

  void narrate(const std::string& line);
  void answered(const Answer& answer);
  void judge_fault();
  void try_crashes();
  void crashed(CrashState& state);
  bool is_new(const CrashState& state);
  std::string recovered(const CrashState& state, World& after);
  std::string unexpected(const State& found, std::size_t volume) const;
  std::string judge(const CrashState& state, std::size_t volume, const Disk& recovered,
                    VolumeModel& model) const;
  VolumeModel model_after(const CrashState& state, std::size_t volume, State found,
                          const std::vector<const State*>& matched) const;
  std::string judge_answer(const Answer& answer);
  std::string judge_result();
  std::string judge_link(const VolumeSpec& spec, const Seen& seen) const;
  std::string judge_others() const;
  Alternatives alternatives(std::size_t volume) const;
  void complain(std::uint32_t crash, const std::string& complaint);
  bool is_running_after() const;

  const Scenario& scenario_;
  const CrashModel& model_;
  const World& world_;
  const Act& act_;
  const Mutation* const mutation_;
  Expectation expected_;
  std::shared_ptr<SimulatedFilesystem> fs_;
  std::vector<std::vector<Revision>> ghosts_;  // by volume: removed, but not durably
  std::vector<Alternatives> beliefs_;          // by volume: what a crash may leave now
  std::unordered_set<std::uint64_t> seen_;
  State found_;  // of the volume, when the operation has answered
  std::uint32_t crash_ = 0;
  bool is_answered_ = false;
  bool is_refused_ = false;
  bool is_good_ = false;
  std::optional<World> after_fault_;
  std::string narration_;
  std::string recovery_;  // the steps of the last one
};

}  // namespace qubes::storage::simulation

#endif
