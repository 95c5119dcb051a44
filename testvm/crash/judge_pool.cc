// SPDX-License-Identifier: LGPL-2.1-or-later
// Is a pool after a crash what was promised? The library recovers it, the oracle says what may be
// there, and then it is used once more.
#include "testvm/crash/judge_pool.h"

#include <filesystem>
#include <set>
#include <utility>

#include "testvm/crash/observe.h"
#include "testvm/crash/session.h"

namespace qubes::storage::crash {
namespace {

namespace fs = std::filesystem;
using simulation::Role;
using simulation::Seen;
using simulation::State;
using simulation::Verb;
using simulation::VolumeSpec;

constexpr simulation::Symbol kNewSymbol = 0xFE;  // the workload uses smaller ones

// By their names alone: what is in them, the recovery has no reason to touch.
std::set<std::string> foreign_files(const std::string& pool, const std::vector<VolumeSpec>& specs) {
  std::set<std::string> directories, found;
  for (const VolumeSpec& spec : specs) directories.insert(pool + '/' + spec.prefix + '/' + spec.vm);
  for (const std::string& directory : directories) {
    std::error_code error;  // it need not be there
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
      const std::string name = entry.path().filename();
      const bool is_foreign = simulation::info(simulation::intern(name)).role == Role::foreign;
      if (is_foreign) found.insert(entry.path());
    }
  }
  return found;
}

class Judgement {
 public:
  Judgement(const History& history, const CrashState& state, std::string pool)
      : history_(history), state_(state), pool_(std::move(pool)) {}

  std::string run() {
    const std::set<std::string> foreign = foreign_files(pool_, history_.volumes());
    try {
      report_ = Library(pool_, history_.volumes()).recover();
    } catch (const LibraryError& error) {
      return std::string("recover fails: ") + error.what();
    }
    std::set<std::string> foreign_now;
    const simulation::Disk disk = observe(pool_, history_.volumes(), &foreign_now);
    if (foreign_now != foreign) return "recover touched files that are not its own";
    std::vector<State> found;
    for (std::size_t i = 0; i < history_.volumes().size(); ++i) {
      const std::string complaint = judge(i, disk, found);
      if (!complaint.empty()) return history_.volumes()[i].vid() + ": " + complaint + recovered();
    }
    const std::string complaint = use_again(found);
    return complaint.empty() ? "" : "used again: " + complaint + recovered();
  }

 private:
  std::string recovered() const { return report_.empty() ? "" : "\n  recover did:\n" + report_; }

  std::string judge(std::size_t volume, const simulation::Disk& disk,
                    std::vector<State>& all) const {
    const VolumeSpec& spec = history_.volumes()[volume];
    const Seen seen = simulation::look(disk, spec);
    const State found = simulation::read_state(spec, seen);
    all.push_back(found);
    if (!spec.is_saved()) return "";
    // Kept on purpose: where a precache is all there is, it may be the only copy of something.
    const bool only_precache = found == State{} && seen.precache;
    const std::string complaint = only_precache ? "" : simulation::leftovers(spec, seen);
    if (!complaint.empty()) return complaint;
    for (const Moment& moment : state_.moments) {
      for (std::size_t marks = moment.first_mark; marks <= moment.last_mark; ++marks) {
        const Belief& belief = history_.belief(marks, volume);
        if (belief.allows(found)) continue;
        return "found " + found.text() + "\n  expected " + belief.text() + "\n  after\n" +
               history_.story(marks);
      }
    }
    return "";
  }

  // A whole further session of one of the volumes, another one each time, and back.
  std::string use_again(const std::vector<State>& found) const {
    std::vector<std::size_t> usable;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool is_saved = history_.volumes()[i].is_saved();
      if (is_saved && (found[i].committed || found[i].session)) usable.push_back(i);
    }
    if (usable.empty()) return "";
    const std::size_t volume = usable[state_.hash % usable.size()];
    History history = History::from(history_.volumes(), found);
    Session session(pool_, history, nullptr);
    for (Verb verb : {Verb::start, Verb::write, Verb::flush, Verb::stop, Verb::revert}) {
      const auto& disk = history.now()[volume].session;
      const Act act{verb, volume, 1, kNewSymbol, all_chunks(disk ? disk->size_blocks : 0)};
      const simulation::Expectation expected = history.expected(act);
      if (!expected.may_succeed && !expected.may_refuse) continue;
      if (!session.run(act)) return history.complaint() + ' ' + session.message;
    }
    session.library().drain();
    const VolumeSpec& spec = history_.volumes()[volume];
    const simulation::Disk after = observe(pool_, {spec});
    return simulation::leftovers(spec, simulation::look(after, spec));
  }

  const History& history_;
  const CrashState& state_;
  const std::string pool_;
  std::string report_;
};

}  // namespace

PoolJudge::PoolJudge(const std::vector<std::string>& marks) : history_(History::of(marks)) {}

std::string PoolJudge::after_crash(const CrashState& state, const std::string& root) const {
  return Judgement(history_, state, root + "/pool").run();
}

}  // namespace qubes::storage::crash
