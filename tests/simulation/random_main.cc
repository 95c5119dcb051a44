// SPDX-License-Identifier: LGPL-2.1-or-later
// `make random`: long random sequences of operations, crashes and faults; one that fails is shrunk
// to a short one and printed with the command that repeats it.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/faulting_filesystem.h"
#include "tests/simulation/normal_form.h"
#include "tests/simulation/visit.h"

using namespace qubes::storage::simulation;
using qubes::storage::File;
using qubes::storage::Filesystem;

namespace {

// Which of the operations, and which of its crashes: each as a number that is taken modulo how many
// there are, so that a sequence stays one when parts of it are left out.
struct Choice {
  std::uint32_t act;
  std::uint32_t crash;  // 0: none
  int fault;            // which call fails, from 1; 0: none
  std::size_t which_errno;
};

struct Failure {
  std::string complaint;
  std::string trace;
};

constexpr std::uint32_t kCrashesOneIn = 6;
constexpr std::uint32_t kFaultsOneIn = 8;
constexpr int kCallsMax = 40;
constexpr std::size_t kErrnosMax = 5;
constexpr std::size_t kPendingMax = 6;

std::vector<Choice> choices_of(std::uint32_t seed, std::size_t steps) {
  std::mt19937 random(seed);
  std::vector<Choice> choices(steps);
  for (Choice& choice : choices) {
    choice.act = static_cast<std::uint32_t>(random());
    choice.crash =
        random() % kCrashesOneIn == 0 ? 1 + static_cast<std::uint32_t>(random() >> 1) : 0;
    choice.fault = random() % kFaultsOneIn == 0 ? 1 + static_cast<int>(random() % kCallsMax) : 0;
    choice.which_errno = random() % kErrnosMax;
  }
  return choices;
}

// One call of the operation fails.
class OneFault final : public Mutation {
 public:
  explicit OneFault(const Choice& choice) : choice_(choice) {}
  std::string name() const override { return "one fault"; }
  std::shared_ptr<Filesystem> filesystem(std::shared_ptr<SimulatedFilesystem> fs,
                                         const Act&) const override {
    if (choice_.fault == 0) return fs;
    faulting_ = std::make_shared<FaultingFilesystem>(std::move(fs));
    faulting_->arm(choice_.fault, choice_.which_errno);
    faulting_->on_failed_sync = [this](File&, int) { loses_content_ = true; };
    return faulting_;
  }
  bool has_fired() const { return faulting_ && faulting_->has_fired(); }
  // A sync failed for good: what it covered may be lost, which only its own process knows, and that
  // is `faults`' matter.
  bool loses_content() const { return loses_content_; }
  std::string what() const { return faulting_->what(); }

 private:
  const Choice choice_;
  mutable std::shared_ptr<FaultingFilesystem> faulting_;
  mutable bool loses_content_ = false;
};

// What happens up to that crash, and what a recovery makes of it.
std::string narration_to(const Scenario& scenario, const CrashModel& model, const World& world,
                         const Act& act, std::uint32_t crash) {
  Visit visit(scenario, model, world, act, nullptr);
  visit.narrated_crash = crash;
  visit.on_crash = [](std::uint32_t, const World&) {};
  visit.run();
  return visit.narration();
}

// Every crash of the operation is checked; the one that was chosen is where it goes on.
std::optional<Failure> step(const Scenario& scenario, const CrashModel& model, World& world,
                            const Choice& choice, std::string* trace) {
  std::vector<Act> acts;
  for (const Act& act : operations(scenario)) {
    if (Visit(scenario, model, world, act, nullptr).makes_sense()) acts.push_back(act);
  }
  if (acts.empty()) return std::nullopt;
  const Act act = acts[choice.act % acts.size()];
  const OneFault fault(choice);
  Visit visit(scenario, model, world, act, &fault);
  visit.has_fault = [&fault] { return fault.has_fired(); };
  std::optional<Failure> failure;
  std::uint32_t narrated = 0;
  std::vector<std::pair<std::uint32_t, World>> crashed;
  visit.on_complaint = [&](std::uint32_t crash, const std::string& complaint) {
    if (failure) return;
    failure = Failure{complaint, ""};
    narrated = crash;
  };
  if (choice.fault == 0) {
    visit.on_crash = [&](std::uint32_t crash, World after) {
      if (choice.crash != 0) crashed.emplace_back(crash, std::move(after));
    };
  }
  visit.run();
  if (fault.loses_content()) return std::nullopt;
  World next;
  if (failure) {
    // nothing comes after it
  } else if (crashed.empty()) {
    next = visit.result();
  } else {
    auto& [crash, after] = crashed[choice.crash % crashed.size()];
    narrated = crash;
    next = std::move(after);
  }
  if (trace != nullptr) {
    *trace +=
        narrated == 0 ? visit.narration() : narration_to(scenario, model, world, act, narrated);
    if (fault.has_fired()) *trace += "    (" + fault.what() + ")\n";
  }
  if (failure) return failure;
  world = std::move(next);
  if (world.disk.pending.size() > kPendingMax) {
    world.disk.durable = world.disk.memory;
    world.disk.pending.clear();
    for (VolumeModel& each : world.models) each.fallback.clear();
  }
  return std::nullopt;
}

enum class Trace { none, full };

std::optional<Failure> run(const Scenario& scenario, const CrashModel& model,
                           const std::vector<Choice>& choices, Trace wanted = Trace::none) {
  World world{initial_disk(scenario), std::vector<VolumeModel>(scenario.volumes.size())};
  std::string trace = "scenario " + scenario.name + ", filesystem " + model.name + '\n';
  for (const Choice& choice : choices) {
    auto failure = step(scenario, model, world, choice, wanted == Trace::full ? &trace : nullptr);
    if (failure) return Failure{failure->complaint, trace};
    Explorer::to_normal_form(scenario, world);
  }
  return std::nullopt;
}

// Leaves out what is not needed for it to fail: halves, then smaller pieces.
std::vector<Choice> shrunk(const Scenario& scenario, const CrashModel& model,
                           std::vector<Choice> choices) {
  for (std::size_t piece = choices.size() / 2; piece > 0;) {
    bool is_shorter = false;
    for (std::size_t at = 0; at + piece <= choices.size();) {
      std::vector<Choice> less = choices;
      const auto from = less.begin() + static_cast<std::ptrdiff_t>(at);
      less.erase(from, from + static_cast<std::ptrdiff_t>(piece));
      if (run(scenario, model, less)) {
        choices = less;
        is_shorter = true;
      } else {
        at += piece;
      }
    }
    if (!is_shorter) piece /= 2;
  }
  return choices;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint32_t first = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 1;
  const std::uint32_t count = argc > 2 ? static_cast<std::uint32_t>(std::atoi(argv[2])) : 20;
  const std::size_t steps = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 150;
  std::size_t runs = 0, failures = 0;
  for (std::uint32_t seed = first; seed < first + count; ++seed) {
    for (const Scenario& scenario : all_scenarios()) {
      for (const char* filesystem : {"xfs", "btrfs", "ext4", "other"}) {
        const CrashModel model = model_of(filesystem);
        const auto choices = choices_of(seed, steps);
        ++runs;
        if (!run(scenario, model, choices)) continue;
        ++failures;
        const auto less = shrunk(scenario, model, choices);
        const auto failure = run(scenario, model, less, Trace::full);
        std::printf("VIOLATION, %zu of %zu operations\n%s    %s\nrepeat: %s %u 1 %zu\n",
                    less.size(), steps, failure->trace.c_str(), failure->complaint.c_str(), argv[0],
                    seed, steps);
        std::fflush(stdout);
      }
    }
  }
  std::printf("random: %zu runs of %zu operations, %zu violations\n", runs, steps, failures);
  return failures == 0 ? 0 : 1;
}
