// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cerrno>

#include "tests/simulation/crash.h"
#include "tests/simulation/faulting_filesystem.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/scenario.h"

namespace qubes::storage::simulation {
namespace {

constexpr int kCallsMax = 400;

// The ways to the states in which something is made to fail.
const std::vector<std::vector<Verb>> kWays = {
    {},
    {Verb::create},
    {Verb::create, Verb::start},
    {Verb::create, Verb::start, Verb::write},
    {Verb::create, Verb::start, Verb::write, Verb::stop},
    {Verb::create, Verb::start, Verb::write, Verb::flush, Verb::stop, Verb::start, Verb::write},
    {Verb::create, Verb::start, Verb::write, Verb::stop, Verb::start, Verb::write, Verb::stop},
};

class SimulatedFaults {
 public:
  SimulatedFaults(const Scenario& scenario, const CrashModel& model, FaultReport& report)
      : scenario_(scenario), model_(model), report_(report) {}

  void run() {
    for (const auto& way : kWays) {
      if (!walk(way)) continue;
      for (const Act& act : operations(scenario_)) {
        if (act.volume != 0) continue;
        const bool is_guest =
            act.verb == Verb::write || act.verb == Verb::write_at_once || act.verb == Verb::flush;
        if (!is_guest) each_call(act);
      }
    }
  }

 private:
  // False where this way does not exist in the scenario.
  bool walk(const std::vector<Verb>& way) {
    disk_ = initial_disk(scenario_);
    state_ = {};
    way_.clear();
    for (Verb verb : way) {
      const Act act{verb, 0, scenario_.keeps.front()};
      const Expectation expected = expectation(act);
      if (!expected.may_succeed) return false;
      auto fs = std::make_shared<SimulatedFilesystem>(disk_, model_);
      if (!simulation::run(fs, fs, scenario_, act, nullptr).is_ok) return false;
      disk_ = fs->disk();
      State found = read_state(spec(), look(disk_, spec()));
      found.loose = expected.after.front().loose;
      // Where two states cannot be compared, both are kept: that is all right here.
      found.maybe_written = found.session.has_value();
      state_ = found;
      way_ += std::string(name_of(verb)) + ", ";
    }
    return true;
  }

  const VolumeSpec& spec() const { return scenario_.volumes.front(); }

  Expectation expectation(const Act& act) const {
    std::vector<State> states(scenario_.volumes.size());
    states.front() = state_;
    return expect(scenario_.volumes, states, 0, act.verb, act.keep, disk_.fresh_symbol());
  }

  void each_call(const Act& act) {
    const Expectation expected = expectation(act);
    if (!expected.may_succeed) return;
    for (int n = 1; n <= kCallsMax; ++n) {
      for (std::size_t which = 0;; ++which) {
        const Outcome outcome = inject(act, expected, n, which);
        if (outcome == Outcome::no_such_call) return;
        if (outcome == Outcome::no_such_errno) break;
      }
    }
  }

  enum class Outcome { injected, no_such_call, no_such_errno };

  Outcome inject(const Act& act, const Expectation& expected, int n, std::size_t which) {
    auto fs = std::make_shared<SimulatedFilesystem>(disk_, model_);
    auto faulting = std::make_shared<FaultingFilesystem>(fs);
    bool content_is_lost = false;
    faulting->on_failed_sync = [&](File& file, int) {
      content_is_lost = true;
      fs->fail_sync(file);
    };
    faulting->arm(n, which);
    bool in_background = false;
    Answer answer = simulation::run(fs, faulting, scenario_, act,
                                    [&](const Answer&) { in_background = !faulting->has_fired(); });
    if (faulting->is_out_of_errnos()) return Outcome::no_such_errno;
    if (!faulting->has_fired()) return Outcome::no_such_call;
    ++report_.injected;
    std::string complaint;
    if (fs->open_handles() != 0) complaint = "a handle is left open";
    if (answer.code == Code::internal) complaint = "an untyped error: " + answer.message;
    if (!answer.is_ok && in_background) complaint = "failed for the work in the background";
    if (complaint.empty()) complaint = judge(act, expected, *fs, answer, content_is_lost);
    if (!complaint.empty()) {
      report_.violations.push_back(scenario_.name + ", " + model_.name + ": " + way_ +
                                   act.text(scenario_) + " with " + faulting->what() + " (call " +
                                   std::to_string(n) + "): " + complaint);
    }
    return Outcome::injected;
  }

  // The states that are all right now: the new one where it answered, else the old one too.
  std::vector<State> allowed(const Expectation& expected, bool is_ok, bool content_is_lost) const {
    std::vector<State> states = expected.after;
    if (!is_ok) {
      states.insert(states.end(), expected.during.begin(), expected.during.end());
      states.push_back(state_);
    }
    for (State& state : states) state.loose = state.loose || content_is_lost;
    return states;
  }

  std::string judge(const Act& act, const Expectation& expected, SimulatedFilesystem& fs,
                    const Answer& answer, bool content_is_lost) {
    const auto states = allowed(expected, answer.is_ok, content_is_lost);
    std::string complaint = check(fs.disk(), states, "");
    if (!complaint.empty()) return complaint;
    // With the power cut: as before, but what was not answered or not promised may be lost.
    const bool is_promise = answer.is_ok && expected.is_durable;
    const auto left = allowed(expected, is_promise, content_is_lost);
    for_each_crash(fs.disk(), model_, [&](CrashState& state) {
      if (complaint.empty()) complaint = check(state.disk, left, " after a power cut");
    });
    if (!complaint.empty() || answer.is_ok) return complaint;
    return try_again(act, fs, content_is_lost);
  }

  // Recovers, and compares.
  std::string check(const Disk& disk, const std::vector<State>& states, const std::string& when) {
    auto fs = std::make_shared<SimulatedFilesystem>(disk, model_);
    const Answer answer = simulation::run(fs, fs, scenario_, {Verb::recover, 0, 0}, nullptr);
    if (!answer.is_ok) return "recover fails: " + answer.message;
    const Seen seen = look(fs->disk(), spec());
    const State found = read_state(spec(), seen);
    if (!(found == State{} && seen.precache)) {
      if (std::string left = leftovers(spec(), seen); !left.empty()) return left + when;
    }
    // Pruning may have failed, or be undone.
    std::vector<Revision> ghosts = ghosts_of(disk_, spec());
    ghosts.insert(ghosts.end(), state_.revisions.begin(), state_.revisions.end());
    for (const State& state : states) {
      if (matches(found, state, ghosts)) return "";
    }
    return "found " + found.text() + when;
  }

  std::string try_again(const Act& act, SimulatedFilesystem& fs, bool content_is_lost) {
    const State present = read_state(spec(), look(fs.disk(), spec()));
    if (content_is_lost || !matches(present, state_, {})) return "";
    auto again = std::make_shared<SimulatedFilesystem>(fs.disk(), model_);
    const Answer answer = simulation::run(again, again, scenario_, act, nullptr);
    if (!answer.is_ok) return "a second try fails: " + answer.message;
    return "";
  }

  const Scenario& scenario_;
  const CrashModel model_;
  FaultReport& report_;
  Disk disk_;
  State state_;
  std::string way_;
};

}  // namespace

void simulated_faults(const std::string& filesystem, FaultReport& report) {
  for (const Scenario& scenario : all_scenarios()) {
    if (scenario.volumes.size() > 1) continue;
    SimulatedFaults(scenario, model_of(filesystem), report).run();
  }
}

}  // namespace qubes::storage::simulation
