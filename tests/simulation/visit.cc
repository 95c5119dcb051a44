// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/visit.h"

#include <algorithm>

#include "tests/simulation/world_bytes.h"

namespace qubes::storage::simulation {
namespace {

bool is_guest(Verb verb) {
  return verb == Verb::write || verb == Verb::write_at_once || verb == Verb::flush;
}

// All volumes: by itself, or while an import is held (scenario.cc).
bool recovers(Verb verb) {
  return verb == Verb::recover || verb == Verb::import || verb == Verb::import_cancelled;
}

std::string list_of(const std::vector<State>& states) {
  std::string text;
  for (const State& state : states) text += "\n      or " + state.text();
  return text;
}

}  // namespace

std::vector<State> states_of(const World& world) {
  std::vector<State> states;
  for (const VolumeModel& model : world.models) states.push_back(model.now);
  return states;
}

Visit::Visit(const Scenario& scenario, const CrashModel& model, const World& world, const Act& act,
             const Mutation* mutation)
    : scenario_(scenario), model_(model), world_(world), act_(act), mutation_(mutation) {
  expected_ = expect(scenario.volumes, states_of(world), act.volume, act.verb, act.keep,
                     world.disk.fresh_symbol());
  const VolumeSpec& spec = scenario.volumes[act.volume];
  if (spec.kind == Kind::snapshot && act.verb == Verb::start) {
    // A lone state may be an origin's, of which the caller forgot that it is one. Where names keep
    // their order no crash leaves one.
    const Seen seen = look(world.disk, spec);
    if (!model.ordered && seen.clean && !seen.dirty &&
        world.disk.link_count(seen.clean->inode) == 1) {
      expected_.may_refuse = true;
    }
  }
}

bool Visit::makes_sense() const {
  if (is_guest(act_.verb) && !world_.models[act_.volume].is_running) return false;
  return expected_.may_succeed || expected_.may_refuse;
}

void Visit::narrate(const std::string& line) {
  if (crash_ < narrated_crash || narrated_crash == 0) narration_ += line + '\n';
}

void Visit::complain(std::uint32_t crash, const std::string& complaint) {
  if (on_complaint) on_complaint(crash, complaint);
}

Visit::Alternatives Visit::alternatives(std::size_t volume) const {
  const VolumeModel& model = world_.models[volume];
  Alternatives result;
  const bool is_target = volume == act_.volume && act_.verb != Verb::recover;
  if (!is_target) {
    result = {model.now};
  } else if (!is_answered_) {
    result = expected_.during;
    result.push_back(model.now);
  } else {
    result = {found_};
    const bool is_promise = expected_.is_durable || act_.verb == Verb::flush;
    if (!is_promise) {
      result.insert(result.end(), expected_.during.begin(), expected_.during.end());
    }
  }
  if (!is_target || !is_answered_ || !expected_.is_durable) {
    result.insert(result.end(), model.fallback.begin(), model.fallback.end());
  }
  return result;
}

void Visit::run() {
  fs_ = std::make_shared<SimulatedFilesystem>(world_.disk, model_);
  narrate("  " + act_.text(scenario_));
  for (std::size_t i = 0; i < scenario_.volumes.size(); ++i) {
    ghosts_.push_back(ghosts_of(world_.disk, scenario_.volumes[i]));
    beliefs_.push_back(alternatives(i));
  }
  StepObserver* observer = this;
  std::unique_ptr<StepObserver> mutated;
  std::shared_ptr<Filesystem> fs = fs_;
  if (mutation_ != nullptr) {
    mutated = mutation_->observer(act_, *this);
    if (mutated) observer = mutated.get();
    fs = mutation_->filesystem(fs_, act_);
  }
  fs_->observe(observer);
  simulation::run(fs_, fs, scenario_, act_, [&](const Answer& answer) {
    observer->finish();
    answered(answer);
  });
  observer->finish();
  fs_->observe(nullptr);
  if (has_fault && has_fault()) return judge_fault();
  if (!is_good_) return;
  const std::string complaint = judge_result();
  is_good_ = complaint.empty();
  if (!is_good_) complain(0, complaint + " (after the work in the background)");
}

void Visit::perform(const Step& step, const std::function<void()>& act) {
  narrate((is_answered_ ? "    later: " : "    ") + step.text());
  steps.push_back(step.text());
  act();
  try_crashes();
}

void Visit::answered(const Answer& answer) {
  if (has_fault && has_fault()) {
    narrate("    answers: " + (answer.is_ok ? "done" : answer.message));
    if (answer.code == Code::internal) complain(0, "an untyped error");
    is_answered_ = answer.is_ok;
    on_crash = nullptr;
    return;
  }
  std::string complaint = judge_answer(answer);
  if (complaint.empty()) complaint = judge_result();
  is_good_ = complaint.empty();
  narrate(answer.is_ok ? "    answers: done" : "    answers: " + answer.message);
  if (!is_good_) {
    complain(0, complaint);
    on_crash = nullptr;
    return;
  }
  is_answered_ = true;
  // What a commit prunes may come back; what was pruned on request may not.
  if (act_.verb == Verb::prune) ghosts_[act_.volume].clear();
  for (const Revision& revision : world_.models[act_.volume].now.revisions) {
    if (act_.verb == Verb::prune) break;
    Revision ghost = revision;
    ghost.optional = true;
    ghosts_[act_.volume].push_back(ghost);
  }
  if (auto secured = secured_revision(scenario_.volumes, states_of(world_), act_.volume)) {
    ghosts_[act_.volume].push_back(*secured);
  }
  for (std::size_t i = 0; i < beliefs_.size(); ++i) beliefs_[i] = alternatives(i);
  try_crashes();
}

std::string Visit::judge_answer(const Answer& answer) {
  if (answer.is_ok && !expected_.may_succeed) return "done, though it should have been refused";
  if (!answer.is_ok && !expected_.may_refuse) return "refused: " + answer.message;
  if (!answer.is_ok) expected_.after = {world_.models[act_.volume].now};
  is_refused_ = !answer.is_ok;
  if (is_refused_) expected_.is_durable = false;
  return "";
}

std::string Visit::judge_result() {
  const VolumeSpec& spec = scenario_.volumes[act_.volume];
  const Seen seen = look(fs_->disk(), spec);
  if (is_guest(act_.verb)) {
    found_ = expected_.after.front();
    return "";
  }
  found_ = read_state(spec, seen);
  for (const VolumeSpec& each : scenario_.volumes) {
    if (each.vid() != spec.vid() && act_.verb != Verb::recover) continue;
    const Seen own = look(fs_->disk(), each);
    const State state = read_state(each, own);
    if (act_.verb == Verb::recover && state == State{} && own.precache)
      continue;                 // kept on purpose
    if (is_refused_) continue;  // perhaps before it looked at the volume
    if (std::string complaint = leftovers(each, own); !complaint.empty()) return complaint;
  }
  if (std::string complaint = judge_link(spec, seen); !complaint.empty()) return complaint;
  bool matched = false;
  for (const State& wanted : expected_.after) {
    if (!matches(found_, wanted, {})) continue;
    matched = true;
    found_.maybe_written = found_.maybe_written || wanted.maybe_written;
    found_.loose = found_.loose || wanted.loose;
  }
  if (!matched) {
    return "found " + found_.text() + "\n      expected" + list_of(expected_.after).substr(9);
  }
  return judge_others();
}

// By the C of a running snapshot its source is known to be in use, and it to be outdated.
std::string Visit::judge_link(const VolumeSpec& spec, const Seen& seen) const {
  if (spec.kind != Kind::snapshot || is_refused_) return "";
  const bool had_session = world_.models[act_.volume].now.session.has_value();
  if (act_.verb == Verb::stop && had_session && seen.clean && !seen.precache) {
    return "a snapshot that was stopped still has a link to a state";
  }
  if (act_.verb != Verb::start) return "";
  const Seen source = look(fs_->disk(), scenario_.volumes[static_cast<std::size_t>(spec.source)]);
  const bool is_linked = seen.clean && source.clean && seen.clean->inode == source.clean->inode;
  return is_linked ? "" : "a snapshot without a link to the state that it started from";
}

// Nothing that is not this volume's was touched. Of a source the leftovers may be swept.
std::string Visit::judge_others() const {
  const VolumeSpec& spec = scenario_.volumes[act_.volume];
  const InodeNumber own = world_.disk.resolve(spec.directory());
  for (const Entry& entry : world_.disk.memory) {
    const NameInfo& meaning = info(entry.name);
    if (entry.directory == own && meaning.volume == spec.name) continue;
    if (fs_->disk().lookup(entry.directory, entry.name) == entry.inode) continue;
    if (meaning.role != Role::foreign && recovers(act_.verb)) continue;
    if (entry.inode == own) continue;  // the last volume takes the directory with it
    if (spec.source >= 0 &&
        meaning.volume == scenario_.volumes[static_cast<std::size_t>(spec.source)].name) {
      continue;
    }
    return "touched what is not its own: " + meaning.text;
  }
  return "";
}

bool Visit::is_running_after() const {
  switch (act_.verb) {
    case Verb::start:
    case Verb::start_at_once:
      return found_.session.has_value();
    case Verb::stop:
    case Verb::discard:
    case Verb::remove:
      return false;
    default:
      return world_.models[act_.volume].is_running;
  }
}

World Visit::result() const {
  if (after_fault_) return *after_fault_;
  World after{fs_->disk(), world_.models};
  VolumeModel& model = after.models[act_.volume];
  model.now = found_;
  model.is_running = is_running_after();
  if (expected_.is_durable) model.fallback.clear();
  for (VolumeModel& each : after.models) {
    if (after.disk.pending.empty()) each.fallback.clear();
  }
  return after;
}

}  // namespace qubes::storage::simulation
