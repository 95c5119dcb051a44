// SPDX-License-Identifier: LGPL-2.1-or-later
// The crashes of one operation: each is recovered at once, and what comes out is compared with what
// is owed.
#include <algorithm>
#include <set>

#include "tests/simulation/visit.h"
#include "tests/simulation/world_bytes.h"

namespace qubes::storage::simulation {
namespace {

// What the sound library has on its way at most, with what was so before the operation, is less.
constexpr std::size_t kPendingMax = 14;

// Writes down what a recovery does.
class Steps final : public StepObserver {
 public:
  explicit Steps(std::string& text) : text_(text) {}
  void perform(const Step& step, const std::function<void()>& act) override {
    text_ += "    " + step.text() + '\n';
    act();
  }

 private:
  std::string& text_;
};

}  // namespace

void Visit::try_crashes() {
  if (!on_crash) return;
  // A library with a mistake may begin anew for ever; each turn would double what is to be tried.
  if (fs_->disk().pending.size() > kPendingMax) {
    complain(0, "goes round in circles: too many changes of names are on their way");
    on_crash = nullptr;
    return;
  }
  for_each_crash(fs_->disk(), model_, [this](CrashState& state) {
    ++crash_;
    crashed(state);
    if (crash_ != narrated_crash) return;
    narration_ += describe(fs_->disk(), state) + "  recover\n" + recovery_;
  });
}

// What the operation left, whether it has answered or failed.
void Visit::judge_fault() {
  is_good_ = false;
  // Two states that could not be compared are both kept.
  std::vector<State> states = states_of(world_);
  states[act_.volume].maybe_written = states[act_.volume].session.has_value();
  expected_ = expect(scenario_.volumes, states, act_.volume, act_.verb, act_.keep,
                     world_.disk.fresh_symbol());
  beliefs_[act_.volume] = alternatives(act_.volume);
  if (is_answered_) {
    // It may have failed to prune.
    beliefs_[act_.volume] = expected_.after;
    if (!expected_.is_durable) {
      const std::vector<State>& fallback = world_.models[act_.volume].fallback;
      beliefs_[act_.volume].insert(beliefs_[act_.volume].end(), fallback.begin(), fallback.end());
    }
    for (Revision revision : world_.models[act_.volume].now.revisions) {
      revision.optional = true;
      ghosts_[act_.volume].push_back(revision);
    }
  }
  CrashState death{CrashKind::process_death, fs_->disk(), {}};
  World after{death.disk, std::vector<VolumeModel>(world_.models.size())};
  const std::string complaint = recovered(death, after);
  if (!complaint.empty()) complain(0, complaint);
  after_fault_ = std::move(after);
}

// False where the same disk with the same expectations was looked at before.
bool Visit::is_new(const CrashState& state) {
  const std::size_t kind =
      (state.kind == CrashKind::power_cut ? 1u : 2u) + (is_answered_ ? 2u : 0u);
  std::string bytes = serialized(state.disk);
  bytes.push_back(static_cast<char>(kind));
  if (!seen_.insert(hash_of(bytes)).second) return false;
  if (checked == nullptr) return true;
  Disk disk = state.disk;
  Renaming renaming = normalize(disk);
  bytes = serialized(disk);
  bytes.push_back(static_cast<char>(kind));
  for (std::size_t i = 0; i < beliefs_.size(); ++i) {
    for (const State& belief : beliefs_[i]) {
      append(bytes, renamed(renaming, scenario_.volumes[i].name, belief));
    }
  }
  return checked->insert(hash_of(bytes)).second;
}

void Visit::crashed(CrashState& state) {
  if (!is_new(state)) return;
  World after{state.disk, std::vector<VolumeModel>(world_.models.size())};
  const std::string complaint = recovered(state, after);
  if (complaint.empty()) {
    on_crash(crash_, std::move(after));
  } else {
    complain(crash_, complaint);
  }
}

std::string Visit::recovered(const CrashState& state, World& after) {
  auto fs = std::make_shared<SimulatedFilesystem>(state.disk, model_);
  recovery_.clear();
  Steps steps_of_recovery(recovery_);
  if (crash_ == narrated_crash) fs->observe(&steps_of_recovery);
  const Answer answer = simulation::run(fs, fs, scenario_, {Verb::recover, 0, 0}, nullptr);
  if (!answer.is_ok) return "recover fails: " + answer.message;
  for (std::size_t i = 0; i < scenario_.volumes.size(); ++i) {
    if (std::string complaint = judge(state, i, fs->disk(), after.models[i]); !complaint.empty()) {
      return "after recover: " + scenario_.volumes[i].vid() + ": " + complaint;
    }
  }
  for (const Entry& entry : state.disk.memory) {
    if (info(entry.name).role == Role::foreign &&
        fs->disk().lookup(entry.directory, entry.name) != entry.inode) {
      return "recover touched what is not its own: " + info(entry.name).text;
    }
  }
  return "";
}

std::string Visit::judge(const CrashState& state, std::size_t volume, const Disk& disk,
                         VolumeModel& model) const {
  const VolumeSpec& spec = scenario_.volumes[volume];
  const Seen seen = look(disk, spec);
  State found = read_state(spec, seen);
  if (!spec.is_saved()) {
    found.loose = true;
    model.now = found;
    model.is_running = state.kind == CrashKind::process_death && world_.models[volume].is_running;
    return "";
  }
  // Kept on purpose: where a precache is all there is, it may be the only copy of something.
  const bool only_precache = found == State{} && seen.precache;
  std::string complaint = only_precache ? "" : leftovers(spec, seen);
  if (!complaint.empty()) return complaint;
  std::vector<const State*> matched;
  for (const State& wanted : beliefs_[volume]) {
    if (matches(found, wanted, ghosts_[volume])) matched.push_back(&wanted);
  }
  const bool died_before = !world_.models[volume].fallback.empty();
  if (matched.empty() && died_before && loses_nothing(found, beliefs_[volume], ghosts_[volume])) {
    for (const State& wanted : beliefs_[volume]) matched.push_back(&wanted);
    found.maybe_written = found.session.has_value();  // whichever state it was started from
  }
  if (matched.empty()) return unexpected(found, volume);
  model = model_after(state, volume, found, matched);
  return "";
}

std::string Visit::unexpected(const State& found, std::size_t volume) const {
  std::string text = "found " + found.text();
  std::set<std::string> listed;
  for (const State& wanted : beliefs_[volume]) {
    if (!listed.insert(wanted.text()).second) continue;
    text += (listed.size() == 1 ? "\n      expected " : "\n            or ") + wanted.text();
  }
  for (const Revision& ghost : ghosts_[volume]) {
    text +=
        "\n            and perhaps revision " + std::to_string(ghost.number) + ghost.content.text();
  }
  return text;
}

VolumeModel Visit::model_after(const CrashState& state, std::size_t volume, State found,
                               const std::vector<const State*>& matched) const {
  VolumeModel model;
  bool is_loose = false;
  for (const State* one : matched) {
    found.maybe_written = found.maybe_written || one->maybe_written || one->loose;
    is_loose = is_loose || one->loose;
  }
  if (state.kind == CrashKind::process_death) {
    const Seen seen = look(state.disk, scenario_.volumes[volume]);
    found.loose = is_loose || (seen.dirty && state.disk.inodes[seen.dirty->inode].is_dirty());
    const bool is_target = volume == act_.volume && act_.verb != Verb::recover;
    const bool keeps_running = !is_target || act_.verb == Verb::grow || act_.verb == Verb::shrink;
    model.is_running = is_target && is_answered_
                           ? is_running_after()
                           : keeps_running && world_.models[volume].is_running;
    if (!found.session) model.is_running = false;
    if (!state.disk.pending.empty()) {
      for (const State& one : beliefs_[volume]) {
        if (!(one == found)) model.fallback.push_back(one);
      }
    }
  }
  model.now = std::move(found);
  return model;
}

}  // namespace qubes::storage::simulation
