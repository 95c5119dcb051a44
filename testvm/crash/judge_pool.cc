// SPDX-License-Identifier: LGPL-2.1-or-later
// Is a pool after a crash what was promised? The library recovers it, the oracle says what may be
// there, and then it is used once more.
#include "testvm/crash/judge_pool.h"

#include <filesystem>
#include <set>

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

std::string judge(const History& history, const std::vector<Moment>& moments, std::size_t volume,
                  const Seen& seen, const State& found) {
  const VolumeSpec& spec = history.volumes()[volume];
  if (!spec.is_saved()) return "";
  // Kept on purpose: where a precache is all there is, it may be the only copy of something.
  const bool only_precache = found == State{} && seen.precache;
  const std::string complaint = only_precache ? "" : simulation::leftovers(spec, seen);
  if (!complaint.empty()) return complaint;
  for (const Moment& moment : moments) {
    for (std::size_t marks = moment.first_mark; marks <= moment.last_mark; ++marks) {
      const Belief& belief = history.belief(marks, volume);
      if (belief.allows(found)) continue;
      return "found " + found.text() + "\n  expected " + belief.text() + "\n  after\n" +
             history.story(marks);
    }
  }
  return "";
}

// A whole further session of one of the volumes, another one each time, and back.
std::string use_again(const History& before, const CrashState& state, const std::string& pool,
                      const std::vector<State>& found) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool is_saved = before.volumes()[i].is_saved();
    if (is_saved && (found[i].committed || found[i].session)) usable.push_back(i);
  }
  if (usable.empty()) return "";
  const std::size_t volume = usable[state.hash % usable.size()];
  History history = History::from(before.volumes(), found);
  Session session(pool, history, nullptr);
  for (Verb verb : {Verb::start, Verb::write, Verb::flush, Verb::stop, Verb::revert}) {
    const auto& disk = history.now()[volume].session;
    const Act act{verb, volume, 1, kNewSymbol, all_chunks(disk ? disk->size_blocks : 0)};
    const simulation::Expectation expected = history.expected(act);
    if (!expected.may_succeed && !expected.may_refuse) continue;
    if (!session.run(act)) return history.complaint() + ' ' + session.message;
  }
  session.library().drain();
  const VolumeSpec& spec = history.volumes()[volume];
  const simulation::Disk after = observe(pool, {spec});
  return simulation::leftovers(spec, simulation::look(after, spec));
}

}  // namespace

Recovered recover_and_judge(const History& history, const std::vector<Moment>& moments,
                            const std::string& pool) {
  const std::vector<VolumeSpec>& volumes = history.volumes();
  Recovered result;
  const std::set<std::string> foreign = foreign_files(pool, volumes);
  try {
    result.report = Library(pool, volumes).recover();
  } catch (const LibraryError& error) {
    result.complaint = std::string("recover fails: ") + error.what();
    return result;
  }
  std::set<std::string> foreign_now;
  const simulation::Disk disk = observe(pool, volumes, &foreign_now);
  if (foreign_now != foreign) result.complaint = "recover touched files that are not its own";
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const Seen seen = simulation::look(disk, volumes[i]);
    result.found.push_back(simulation::read_state(volumes[i], seen));
    if (!result.complaint.empty()) continue;
    const std::string complaint = judge(history, moments, i, seen, result.found.back());
    if (!complaint.empty()) result.complaint = volumes[i].vid() + ": " + complaint;
  }
  return result;
}

PoolJudge::PoolJudge(const std::vector<std::string>& marks) : history_(History::of(marks)) {}

std::string PoolJudge::after_crash(const CrashState& state, const std::string& root) const {
  const std::string pool = root + "/pool";
  const Recovered recovered = recover_and_judge(history_, state.moments, pool);
  std::string complaint = recovered.complaint;
  if (complaint.empty()) {
    complaint = use_again(history_, state, pool, recovered.found);
    if (!complaint.empty()) complaint = "used again: " + complaint;
  }
  if (complaint.empty() || recovered.report.empty()) return complaint;
  return complaint + "\n  recover did:\n" + recovered.report;
}

}  // namespace qubes::storage::crash
