// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/plan.h"

#include <algorithm>
#include <span>
#include <stdexcept>

namespace qubes::storage::crash {
namespace {

using simulation::Kind;
using simulation::Symbol;
using simulation::Verb;
using simulation::VolumeSpec;

constexpr unsigned kSymbols = 0xF0;  // from 1 on
constexpr int kTurns = 10'000;
// The volume that also runs with snapshots disabled.
constexpr std::size_t kInPlace = 5;

struct Weight {
  Verb verb;
  std::size_t weight;
};

constexpr Weight kWeights[] = {
    {Verb::create, 6}, {Verb::start, 10},        {Verb::write, 12},  {Verb::flush, 5},
    {Verb::stop, 9},   {Verb::discard, 2},       {Verb::revert, 3},  {Verb::grow, 2},
    {Verb::shrink, 2}, {Verb::revert_oldest, 2}, {Verb::import, 3},  {Verb::import_cancelled, 1},
    {Verb::prune, 2},  {Verb::remove, 1},        {Verb::recover, 1},
};

constexpr Weight kPrecacheWeights[] = {
    {Verb::create, 6}, {Verb::start, 10}, {Verb::write, 6},  {Verb::stop, 10},
    {Verb::grow, 6},   {Verb::shrink, 4}, {Verb::revert, 1},
};
// A template, a snapshot of it, and an origin.
constexpr std::size_t kPrecacheVolumes = 3;

Verb weighted(Random& random, std::span<const Weight> weights) {
  std::size_t sum = 0;
  for (const Weight& one : weights) sum += one.weight;
  std::size_t at = random.below(sum);
  for (const Weight& one : weights) {
    if (at < one.weight) return one.verb;
    at -= one.weight;
  }
  throw std::logic_error("weights");
}

bool depends_on_keep(Verb verb) {
  return verb == Verb::start || verb == Verb::stop || verb == Verb::import ||
         verb == Verb::shrink || verb == Verb::prune || verb == Verb::discard;
}

}  // namespace

std::vector<VolumeSpec> planned_volumes() {
  // Name, source, size and largest size. A snapshot is as large as its source.
  return {
      {Kind::origin, "vm-templates", "t", "root", -1, 2, 3},
      {Kind::snapshot, "appvms", "a", "root", 0, 1, 3},
      {Kind::origin, "appvms", "a", "private", -1, 2, 3},
      {Kind::volatile_volume, "appvms", "a", "volatile", -1, 2, 2},
      {Kind::origin_snapshot, "appvms", "b", "private", 0, 1, 3},
      {Kind::origin, "appvms", "b", "data", -1, 2, 2},
  };
}

Verb Plan::drawn_verb() {
  return focus_ == Focus::precaches ? weighted(random_, kPrecacheWeights)
                                    : weighted(random_, kWeights);
}

std::size_t Plan::drawn_volume() {
  return random_.below(focus_ == Focus::precaches ? kPrecacheVolumes : planned_volumes().size());
}

Act Plan::drawn(const History& history) {
  Act act;
  act.verb = drawn_verb();
  act.volume = act.verb == Verb::recover ? 0 : drawn_volume();
  act.keep = static_cast<int>(random_.below(3));
  if (keep_max_ == 1) act.keep = 1;
  const bool in_place = act.volume == kInPlace && act.verb != Verb::prune && keep_max_ > 1;
  if (in_place && !random_.one_in(3)) act.keep = -1;
  if (!depends_on_keep(act.verb)) act.keep = std::max(act.keep, 1);
  if (act.verb == Verb::write) {
    const auto& session = history.now()[act.volume].session;
    act.chunks = 1 + static_cast<unsigned>(random_.below(7));
    act.chunks &= all_chunks(session ? session->size_blocks : 0);
    act.fresh = random_.one_in(5) ? Symbol{0} : fresh(history);
  }
  if (act.verb == Verb::import) {
    act.fresh = fresh(history);
    if (random_.one_in(3)) act.source = source_for(history, act.volume);
  }
  return act;
}

// The next one that nothing has.
Symbol Plan::fresh(const History& history) const {
  for (unsigned i = 0; i < kSymbols; ++i) {
    const auto symbol = static_cast<Symbol>((symbols_ + i) % kSymbols + 1);
    if (!history.uses(symbol)) return symbol;
  }
  throw std::logic_error("no symbol is free");
}

// Another volume, whose committed state can be told from that of this one.
int Plan::source_for(const History& history, std::size_t volume) {
  const std::size_t source = random_.below(history.now().size());
  const auto& content = history.now()[source].committed;
  const bool is_usable = source != volume && content && content != history.now()[volume].committed;
  return is_usable ? static_cast<int>(source) : -1;
}

Act Plan::next(const History& history) {
  for (int turn = 0; turn < kTurns; ++turn) {
    const Act act = drawn(history);
    const simulation::Expectation expected = history.expected(act);
    if (!expected.may_succeed && !(expected.may_refuse && random_.one_in(4))) continue;
    if (act.verb == Verb::write && act.chunks == 0) continue;
    if (act.fresh != 0) symbols_ = act.fresh;
    return act;
  }
  throw std::logic_error("nothing makes sense any more");
}

}  // namespace qubes::storage::crash
