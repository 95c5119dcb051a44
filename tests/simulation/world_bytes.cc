// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/world_bytes.h"

#include <cstring>

namespace qubes::storage::simulation {
namespace {

void append_byte(std::string& bytes, std::size_t value) {
  bytes.push_back(static_cast<char>(value));
}

std::uint8_t take_byte(std::string_view& bytes) {
  const auto value = static_cast<std::uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  return value;
}

void append_content(std::string& bytes, const Content& content) {
  append_byte(bytes, content.size_blocks);
  for (Symbol symbol : content.blocks) append_byte(bytes, symbol);
}

Content take_content(std::string_view& bytes) {
  Content content;
  content.size_blocks = take_byte(bytes);
  for (Symbol& symbol : content.blocks) symbol = take_byte(bytes);
  return content;
}

}  // namespace

void append(std::string& bytes, const State& state) {
  append_byte(bytes, (state.committed ? 1u : 0u) | (state.session ? 2u : 0u) |
                         (state.maybe_written ? 4u : 0u) | (state.loose ? 8u : 0u));
  if (state.committed) append_content(bytes, *state.committed);
  if (state.session) append_content(bytes, *state.session);
  append_byte(bytes, state.revisions.size());
  for (const Revision& revision : state.revisions) {
    append_byte(bytes, static_cast<std::size_t>(revision.number));
    append_byte(bytes, revision.optional ? 1 : 0);
    append_content(bytes, revision.content);
  }
}

void append(std::string& bytes, const std::vector<State>& states) {
  append_byte(bytes, states.size());
  for (const State& state : states) append(bytes, state);
}

State take_state(std::string_view& bytes) {
  State state;
  const unsigned flags = take_byte(bytes);
  if ((flags & 1) != 0) state.committed = take_content(bytes);
  if ((flags & 2) != 0) state.session = take_content(bytes);
  state.maybe_written = (flags & 4) != 0;
  state.loose = (flags & 8) != 0;
  state.revisions.resize(take_byte(bytes));
  for (Revision& revision : state.revisions) {
    revision.number = take_byte(bytes);
    revision.optional = take_byte(bytes) != 0;
    revision.content = take_content(bytes);
  }
  return state;
}

std::vector<State> take_states(std::string_view& bytes) {
  std::vector<State> states(take_byte(bytes));
  for (State& state : states) state = take_state(bytes);
  return states;
}

State renamed(Renaming& renaming, const std::string& volume, State state) {
  if (state.committed) state.committed = renaming(*state.committed);
  if (state.session) state.session = renaming(*state.session);
  for (Revision& revision : state.revisions) {
    revision.number = renaming(volume, revision.number);
    revision.content = renaming(revision.content);
  }
  return state;
}

}  // namespace qubes::storage::simulation
