// SPDX-License-Identifier: LGPL-2.1-or-later
// What each operation owes: the reference model, a few lines each.
#include <algorithm>

#include "tests/simulation/oracle.h"

namespace qubes::storage::simulation {
namespace {

using States = std::vector<State>;

std::int64_t next_number(const State& state) {
  return state.revisions.empty() ? 1 : state.revisions.back().number + 1;
}

bool is_kept_already(const State& state) {
  return !state.revisions.empty() && state.revisions.back().content == *state.committed;
}

State with_new_revision(State state) {
  state.revisions.push_back({next_number(state), *state.committed, false});
  return state;
}

enum class Trim { gone, optional };

State trimmed(State state, int keep, Trim trim) {
  const auto count = static_cast<std::ptrdiff_t>(state.revisions.size());
  const std::ptrdiff_t excess = keep < 0 ? 0 : std::max<std::ptrdiff_t>(0, count - keep);
  if (trim == Trim::gone) {
    state.revisions.erase(state.revisions.begin(), state.revisions.begin() + excess);
  } else {
    for (std::ptrdiff_t i = 0; i < excess; ++i) {
      state.revisions[static_cast<std::size_t>(i)].optional = true;
    }
  }
  return state;
}

// `state` with the committed state kept as a revision, or not, where there is a choice.
States kept(const State& state, bool must_not, bool need_not) {
  if (!state.committed || must_not) return {state};
  States result = {with_new_revision(state)};
  if (need_not || is_kept_already(state)) result.push_back(state);
  return result;
}

void commit(Expectation& expected, const State& state, const Content& content, int keep,
            bool is_session) {
  const bool unwritten = is_session && !state.maybe_written && state.committed;
  const bool need_not = state.committed && content == *state.committed;
  expected.during.push_back(state);
  auto ended = [&](State next) {
    next.committed = content;
    next.session.reset();
    next.maybe_written = next.loose = false;
    return next;
  };
  // A session that wrote nothing adds no revision and takes none away.
  if (unwritten || (is_session && need_not)) {
    expected.after.push_back(ended(state));
    expected.during.push_back(ended(state));
  }
  if (unwritten) return;
  for (const State& each : kept(state, keep <= 0, need_not)) {
    expected.after.push_back(trimmed(ended(each), keep, Trim::gone));
    expected.during.push_back(trimmed(ended(each), keep, Trim::optional));
  }
}

void revert(Expectation& expected, const State& state, std::size_t target) {
  expected.during.push_back(state);
  const Revision revision = state.revisions[target];
  for (State next : kept(state, false, false)) {
    next.committed = revision.content;
    State half = next;  // the rename may leave both names; one more revision does no harm
    half.revisions[target].optional = true;
    expected.during.push_back(half);
    next.revisions.erase(next.revisions.begin() + static_cast<std::ptrdiff_t>(target));
    expected.after.push_back(next);
  }
}

void revert_newest(Expectation& expected, const State& state) {
  // One that holds the committed content may be passed over.
  for (std::size_t i = state.revisions.size(); i-- > 0;) {
    revert(expected, state, i);
    if (state.revisions[i].content != *state.committed) return;
  }
  expected.may_refuse = true;  // there is nothing else to go back to
  expected.during.push_back(state);
}

void resize(Expectation& expected, const State& state, int change, int keep, int size_max) {
  const Content& present = state.session ? *state.session : *state.committed;
  const int size = present.size_blocks + change;
  if (size < 1 || size > size_max) return;
  const Content content = resized(present, static_cast<std::uint8_t>(size));
  if (!state.session && change < 0) return commit(expected, state, content, keep, false);
  State next = state;
  State half = state;
  if (state.session) {
    next.session = content;
    next.maybe_written = half.maybe_written = true;
    next.loose = false;
    expected.during.push_back(half);
    // Cut off already, but of the old size.
    half.session = resized(content, present.size_blocks);
    expected.during.push_back(half);
  } else {
    expected.during.push_back(state);
    next.committed = content;
  }
  expected.after.push_back(next);
  expected.during.push_back(next);
}

void remove(Expectation& expected, const State& state) {
  State less = trimmed(state, 0, Trim::optional);
  expected.during.push_back(less);
  if (state.committed) {
    less.session.reset();
    expected.during.push_back(less);
  }
  expected.after.push_back({});
  expected.during.push_back({});
}

void start(Expectation& expected, const State& state, int keep) {
  State next = state;
  expected.during.push_back(state);
  if (!state.session) {
    next.session = state.committed;
    next.maybe_written = next.loose = false;
    if (keep < 0) {
      expected.during.push_back(trimmed(state, 0, Trim::optional));
      next.committed.reset();
      next.revisions.clear();
      next.maybe_written = true;
    }
  }
  expected.after.push_back(next);
  expected.during.push_back(next);
}

Expectation expect_unsaved(const std::vector<VolumeSpec>& specs, const States& states,
                           std::size_t volume, Verb verb, Symbol fresh) {
  const VolumeSpec& spec = specs[volume];
  const State& state = states[volume];
  Expectation expected;
  expected.is_durable = false;
  State next = state;
  switch (verb) {
    case Verb::start:
      if (spec.kind == Kind::snapshot) {
        const auto& source = states[static_cast<std::size_t>(spec.source)].committed;
        if (!source) return expected;
        next.session = *source;
      } else {
        next.session = filled(spec.size_blocks, 0);
      }
      break;
    case Verb::write:
      if (!state.session) return expected;
      next.session = filled(state.session->size_blocks, fresh);
      break;
    case Verb::stop:
      next.session.reset();
      break;
    default:
      return expected;
  }
  expected.after = {next};
  return expected;
}

void expect_session(Expectation& expected, const std::vector<VolumeSpec>& specs,
                    const States& states, std::size_t volume, Verb verb, int keep) {
  const VolumeSpec& spec = specs[volume];
  const State& state = states[volume];
  const bool is_origin = spec.kind == Kind::origin;
  switch (verb) {
    case Verb::start:
    case Verb::start_at_once:
      if (is_origin) {
        if (state.session || state.committed) start(expected, state, keep);
      } else if (state.session) {
        start(expected, state, 0);
      } else if (const auto& source = states[static_cast<std::size_t>(spec.source)].committed) {
        State next = state;
        next.session = *source;
        next.maybe_written = true;
        next.loose = false;
        expected.after = {next};
        expected.during = {state, next};
      }
      return;
    case Verb::stop:
      if (state.session) return commit(expected, state, *state.session, keep, is_origin);
      if (state.committed || !is_origin) expected.after = expected.during = {state};
      return;
    case Verb::discard:
      if (!state.session || keep < 0 || (is_origin && !state.committed)) return;
      {
        State next = state;
        next.session.reset();
        next.maybe_written = next.loose = false;
        expected.after = {next};
        expected.during = {state, next};
      }
      return;
    default:
      return;
  }
}

void expect_guest(Expectation& expected, const State& state, Verb verb, Symbol fresh) {
  if (!state.session) return;
  State next = state;
  next.loose = verb != Verb::flush;
  if (verb != Verb::flush) {
    next.session = filled(state.session->size_blocks, fresh);
    next.maybe_written = true;
  }
  expected.after = {next};
  expected.during = {state, next};
}

void expect_whole(Expectation& expected, const VolumeSpec& spec, const State& state, Verb verb,
                  int keep, Symbol fresh) {
  const bool is_there = state.committed || state.session || !state.revisions.empty();
  const bool is_origin = spec.kind == Kind::origin;
  switch (verb) {
    case Verb::create:
      if (is_there || !is_origin) return;
      expected.after.push_back(state);
      expected.after.back().committed = filled(spec.size_blocks, 0);
      expected.during = {state, expected.after.back()};
      return;
    case Verb::revert:
    case Verb::revert_oldest:
      if (state.session) {  // refused
        expected.may_refuse = true;
        expected.after = expected.during = {state};
      } else if (!state.revisions.empty() && state.committed) {
        if (verb == Verb::revert) {
          revert_newest(expected, state);
        } else if (state.revisions.size() > 1) {
          revert(expected, state, 0);
        }
      }
      return;
    case Verb::grow:
    case Verb::shrink:
      if (state.session || (state.committed && is_origin)) {
        resize(expected, state, verb == Verb::grow ? 1 : -1, keep, spec.size_max);
      }
      return;
    case Verb::import:
      if (!state.session) {
        commit(expected, state, filled(spec.size_blocks, fresh), keep, false);
      }
      return;
    case Verb::import_cancelled:
      if (!state.session) expected.after = expected.during = {state};
      expected.is_durable = false;
      return;
    case Verb::prune:
      if (!is_there || keep < 0) return;
      expected.after = {trimmed(state, keep, Trim::gone)};
      expected.during = {trimmed(state, keep, Trim::optional)};
      return;
    case Verb::remove:
      if (is_there) remove(expected, state);
      return;
    default:
      return;
  }
}

}  // namespace

std::optional<Revision> secured_revision(const std::vector<VolumeSpec>& specs,
                                         const std::vector<State>& states, std::size_t volume) {
  const bool has_snapshot_beside =
      std::any_of(specs.begin(), specs.end(), [&](const VolumeSpec& other) {
        return other.kind == Kind::snapshot && other.source == static_cast<int>(volume) &&
               other.directory() == specs[volume].directory();
      });
  const State& state = states[volume];
  if (!has_snapshot_beside || !state.committed) return std::nullopt;
  return Revision{next_number(state), *state.committed, true};
}

Expectation expect(const std::vector<VolumeSpec>& specs, const std::vector<State>& states,
                   std::size_t volume, Verb verb, int keep, Symbol fresh) {
  Expectation expected;
  const VolumeSpec& spec = specs[volume];
  const State& state = states[volume];
  if (verb == Verb::recover) {
    expected.after = expected.during = {state};
    expected.is_durable = false;
  } else if (!spec.is_saved()) {
    expected = expect_unsaved(specs, states, volume, verb, fresh);
  } else if (verb == Verb::write || verb == Verb::write_at_once || verb == Verb::flush) {
    expect_guest(expected, state, verb, fresh);
    expected.is_durable = false;
  } else {
    expect_session(expected, specs, states, volume, verb, keep);
    expect_whole(expected, spec, state, verb, keep, fresh);
  }
  const auto secured = secured_revision(specs, states, volume);
  for (State& each : expected.during) {
    // One that is a copy of the committed state may be what recovery puts in its place.
    for (Revision& revision : each.revisions) {
      const bool is_copy =
          secured && each.committed == state.committed && revision.content == *state.committed;
      revision.optional = revision.optional || is_copy;
    }
    const bool is_free =
        secured && (each.revisions.empty() || each.revisions.back().number < secured->number);
    if (is_free) each.revisions.push_back(*secured);
  }
  const bool is_refused = expected.may_refuse && expected.after == std::vector<State>{state};
  expected.may_succeed = !expected.after.empty() && !is_refused;
  return expected;
}

}  // namespace qubes::storage::simulation
