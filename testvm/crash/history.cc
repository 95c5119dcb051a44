// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/history.h"

#include <algorithm>
#include <stdexcept>

namespace qubes::storage::crash {
namespace {

using simulation::Content;
using simulation::Expectation;
using simulation::Kind;
using simulation::Revision;
using simulation::State;
using simulation::Verb;
using simulation::VolumeSpec;

using States = std::vector<State>;

constexpr std::size_t kStoryMarks = 12;

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

Chunks chunks_of(const State& state) {
  Chunks chunks;
  for (std::size_t i = 0; state.session && i < chunks.size(); ++i) {
    chunks[i] = {state.session->blocks[i]};
  }
  return chunks;
}

// A power cut may tear what was being written.
bool may_hold(const std::set<simulation::Symbol>& allowed, simulation::Symbol found) {
  return allowed.size() > 1 || allowed.count(found) > 0;
}

bool is_running_snapshot(const VolumeSpec& spec, const State& state, std::size_t source) {
  return spec.kind == Kind::snapshot && spec.source == static_cast<int>(source) && state.session;
}

// Whether an answered operation has made all names of the directory durable: those that only
// change a session's size sync its file alone, and others found nothing to do.
bool settles(Verb verb, const State& before) {
  switch (verb) {
    case Verb::create:
    case Verb::start:
    case Verb::start_at_once:
    case Verb::revert:
    case Verb::revert_oldest:
    case Verb::import:
    case Verb::prune:
    case Verb::remove:
      return true;
    case Verb::stop:
    case Verb::discard:
      return before.session.has_value();
    case Verb::grow:
    case Verb::shrink:
      return !before.session.has_value();
    default:
      return false;
  }
}

}  // namespace

bool Belief::allows(const State& found) const {
  return std::any_of(alternatives.begin(), alternatives.end(), [&](const State& wanted) {
    if (!simulation::matches(found, wanted, ghosts)) return false;
    if (!wanted.loose || !found.session) return true;
    for (std::size_t i = 0; i < found.session->size_blocks; ++i) {
      if (!may_hold(chunks[i], found.session->blocks[i])) return false;
    }
    return found.session->size_blocks == wanted.session->size_blocks;
  });
}

std::string Belief::text() const {
  std::string text;
  for (const State& state : alternatives) text += (text.empty() ? "" : "; or ") + state.text();
  for (const Revision& ghost : ghosts) {
    text += "; perhaps revision " + std::to_string(ghost.number) + ghost.content.text();
  }
  return text;
}

History History::of(const std::vector<std::string>& marks) {
  History history;
  for (const std::string& mark : marks) history.add(mark);
  return history;
}

History History::from(const std::vector<VolumeSpec>& volumes, const std::vector<State>& found) {
  History history;
  for (const VolumeSpec& spec : volumes) history.add("volume " + text_of(spec));
  for (std::size_t i = 0; i < found.size(); ++i) history.take({i, found[i]});
  return history;
}

void History::take(const Found& found) {
  if (found.volume >= volumes_.size()) throw std::invalid_argument("a mark of an unknown volume");
  State& now = now_[found.volume];
  now = found.state;
  now.maybe_written = now.session.has_value();  // nobody knows
  chunks_[found.volume] = chunks_of(now);
}

void History::add(const std::string& mark) {
  if (beliefs_.empty()) beliefs_.push_back(beliefs());
  marks_.push_back(mark);
  if (starts_with(mark, "volume ")) {
    volumes_.push_back(parse_volume(mark.substr(7)));
    now_.emplace_back();
    chunks_.emplace_back();
    ghosts_.emplace_back();
  } else if (starts_with(mark, "begin ")) {
    begin(parse_act(mark.substr(6)));
  } else if (starts_with(mark, "done ")) {
    done(parse_answer(mark.substr(5)));
  } else if (starts_with(mark, "found ")) {
    take(parse_found(mark.substr(6)));
  } else if (starts_with(mark, "wrong ")) {
    complaint_ = mark.substr(6);
  } else if (mark == "ready") {
    ready_at_ = marks_.size();
  } else if (mark != "end") {
    throw std::invalid_argument("an unknown mark: " + mark);
  }
  beliefs_.push_back(beliefs());
}

// A guest writes a part of its disk; the oracle only knows whole ones.
Content History::written(const Act& act) const {
  Content content = *now_[act.volume].session;
  for (std::size_t i = 0; i < content.size_blocks; ++i) {
    if ((act.chunks >> i & 1) != 0) content.blocks[i] = act.fresh;
  }
  return content;
}

Expectation History::expected(const Act& act) const {
  Expectation expected =
      simulation::expect(volumes_, now_, act.volume, act.verb, act.keep, act.fresh);
  if (act.verb == Verb::write && now_[act.volume].session) {
    for (State& state : expected.after) state.session = written(act);
    if (expected.during.size() > 1) expected.during[1].session = written(act);
  }
  if (act.source >= 0) {  // the oracle only knows imports of something new
    const Content own = simulation::filled(volumes_[act.volume].size_blocks, act.fresh);
    const std::optional<Content>& imported =
        now_.at(static_cast<std::size_t>(act.source)).committed;
    if (!imported) throw std::invalid_argument("an import from a volume without an image");
    for (States* states : {&expected.after, &expected.during}) {
      for (State& state : *states) {
        if (state.committed == own) state.committed = imported;
      }
    }
  }
  // The new size may be durable before what the guest had not flushed.
  const bool resizes = act.verb == Verb::grow || act.verb == Verb::shrink;
  if (resizes && now_[act.volume].loose) {
    for (const State& state : expected.after) {
      expected.during.push_back(state);
      expected.during.back().loose = true;
    }
  }
  if (act.verb == Verb::start && act.keep < 0) {
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
      // Refused while a snapshot of it runs.
      if (is_running_snapshot(volumes_[i], now_[i], act.volume)) expected.may_refuse = true;
    }
  }
  return expected;
}

void History::begin(const Act& act) {
  if (act.volume >= volumes_.size()) throw std::invalid_argument("a mark of an unknown volume");
  expected_ = expected(act);
  act_ = act;
  if (act.verb != Verb::write) return;
  for (std::size_t i = 0; i < simulation::kBlocksMax; ++i) {
    if ((act.chunks >> i & 1) != 0) chunks_[act.volume][i].insert(act.fresh);
  }
}

void History::done(const Answer& answer) {
  if (!act_) throw std::invalid_argument("a mark of an answer to nothing");
  const bool is_ok = answer.code == "OK";
  if (!(is_ok ? expected_.may_succeed : expected_.may_refuse)) {
    complaint_ = text_of(*act_) + " answered " + answer.code + ", which is not expected";
  }
  State found = answer.state;
  if (!is_ok) expected_.after = {now_[act_->volume]};
  bool is_expected = false;
  for (const State& wanted : expected_.after) {
    if (!simulation::matches(found, wanted, {}) ||
        (wanted.loose && found.session != wanted.session)) {
      continue;
    }
    is_expected = true;
    found.maybe_written = found.maybe_written || wanted.maybe_written;
    found.loose = found.loose || wanted.loose;
  }
  if (!is_expected) {
    Belief belief;
    belief.alternatives = expected_.after;
    complaint_ = text_of(*act_) + " left " + found.text() + ", expected " + belief.text();
  }
  accept(answer, found);
}

void History::accept(const Answer& answer, const State& found) {
  State& now = now_[act_->volume];
  if (answer.code == "OK" && settles(act_->verb, now)) ghosts_[act_->volume].clear();
  // What a commit prunes may come back; what was pruned on request may not.
  if (act_->verb != Verb::prune) remember_ghosts(now, found);
  now = found;
  if (!now.loose) chunks_[act_->volume] = chunks_of(now);
  act_.reset();
}

void History::remember_ghosts(const State& before, const State& after) {
  for (Revision one : before.revisions) {
    if (std::find(after.revisions.begin(), after.revisions.end(), one) != after.revisions.end()) {
      continue;
    }
    one.optional = true;
    ghosts_[act_->volume].push_back(one);
  }
}

bool History::uses(simulation::Symbol symbol) const {
  const auto has = [symbol](const Content& content) {
    return std::find(content.blocks.begin(), content.blocks.end(), symbol) != content.blocks.end();
  };
  const auto has_revision = [&has](const std::vector<Revision>& list) {
    return std::any_of(list.begin(), list.end(), [&](const auto& one) { return has(one.content); });
  };
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    const State& now = now_[i];
    if ((now.committed && has(*now.committed)) || (now.session && has(*now.session))) return true;
    if (has_revision(now.revisions) || has_revision(ghosts_[i])) return true;
    for (const auto& chunk : chunks_[i]) {
      if (chunk.count(symbol) > 0) return true;
    }
  }
  return false;
}

std::vector<Belief> History::beliefs() const {
  std::vector<Belief> beliefs;
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    Belief belief{{now_[i]}, ghosts_[i], chunks_[i]};
    if (act_ && act_->volume == i && act_->verb != Verb::recover) {
      belief.alternatives.insert(belief.alternatives.end(), expected_.during.begin(),
                                 expected_.during.end());
    }
    beliefs.push_back(std::move(belief));
  }
  return beliefs;
}

std::string History::story(std::size_t marks) const {
  std::string text;
  for (std::size_t i = marks > kStoryMarks ? marks - kStoryMarks : 0; i < marks; ++i) {
    text += "    " + marks_[i] + '\n';
  }
  return text;
}

}  // namespace qubes::storage::crash
