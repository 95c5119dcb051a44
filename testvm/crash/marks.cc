// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/marks.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "testvm/crash/log.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

using simulation::Content;
using simulation::Kind;
using simulation::State;
using simulation::Verb;
using simulation::VolumeSpec;

constexpr const char* kKinds[] = {"origin", "snapshot", "volatile", "origin_snapshot"};
constexpr int kVerbs = static_cast<int>(Verb::recover) + 1;
constexpr std::size_t kAlign = 4096;  // what O_DIRECT may ask for

std::string word_of(const std::optional<Content>& content) {
  if (!content) return "-";
  std::string text = std::to_string(content->size_blocks);
  for (std::size_t i = 0; i < content->size_blocks; ++i) {
    text += '.' + std::to_string(content->blocks[i]);
  }
  return text;
}

std::optional<Content> content_of(const std::string& word) {
  if (word == "-") return std::nullopt;
  std::istringstream stream(word);
  Content content;
  unsigned value = 0;
  char dot = 0;
  stream >> value;
  content.size_blocks = static_cast<std::uint8_t>(value);
  for (std::size_t i = 0; i < value && i < simulation::kBlocksMax; ++i) {
    unsigned symbol = 0;
    stream >> dot >> symbol;
    content.blocks[i] = static_cast<simulation::Symbol>(symbol);
  }
  if (!stream || value > simulation::kBlocksMax) throw std::invalid_argument("content " + word);
  return content;
}

std::string words_of(const State& state) {
  std::string text = word_of(state.committed) + ' ' + word_of(state.session);
  for (const simulation::Revision& one : state.revisions) {
    text += ' ' + std::to_string(one.number) + ' ' + word_of(one.content);
  }
  return text;
}

State state_of(std::istream& stream) {
  State state;
  std::string committed, session, content;
  std::int64_t number = 0;
  stream >> committed >> session;
  if (!stream) throw std::invalid_argument("a mark without a state");
  state.committed = content_of(committed);
  state.session = content_of(session);
  while (stream >> number >> content) {
    state.revisions.push_back({number, *content_of(content), false});
  }
  return state;
}

std::string verb_word(Verb verb) {
  std::string word = simulation::name_of(verb);
  for (char& letter : word) letter = letter == ' ' ? '_' : letter;
  return word;
}

Verb verb_of(const std::string& word) {
  for (int i = 0; i < kVerbs; ++i) {
    if (verb_word(static_cast<Verb>(i)) == word) return static_cast<Verb>(i);
  }
  throw std::invalid_argument("verb " + word);
}

}  // namespace

std::string text_of(const VolumeSpec& spec) {
  std::ostringstream text;
  text << kKinds[static_cast<std::size_t>(spec.kind)] << ' ' << spec.prefix << ' ' << spec.vm << ' '
       << spec.name << ' ' << spec.source << ' ' << int{spec.size_blocks} << ' '
       << int{spec.size_max};
  return text.str();
}

VolumeSpec parse_volume(const std::string& text) {
  std::istringstream stream(text);
  VolumeSpec spec;
  std::string kind;
  int size = 0, size_max = 0;
  stream >> kind >> spec.prefix >> spec.vm >> spec.name >> spec.source >> size >> size_max;
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    if (kind == kKinds[i]) spec.kind = static_cast<Kind>(i);
  }
  if (!stream) throw std::invalid_argument("volume " + text);
  spec.size_blocks = static_cast<std::uint8_t>(size);
  spec.size_max = static_cast<std::uint8_t>(size_max);
  return spec;
}

std::string text_of(const Act& act) {
  std::ostringstream text;
  text << verb_word(act.verb) << ' ' << act.volume << ' ' << act.keep << ' ' << int{act.fresh}
       << ' ' << act.chunks;
  if (act.source >= 0) text << ' ' << act.source;
  return text.str();
}

Act parse_act(const std::string& text) {
  std::istringstream stream(text);
  Act act;
  std::string verb;
  int fresh = 0;
  stream >> verb >> act.volume >> act.keep >> fresh >> act.chunks;
  if (!stream) throw std::invalid_argument("act " + text);
  act.verb = verb_of(verb);
  act.fresh = static_cast<simulation::Symbol>(fresh);
  if (!(stream >> act.source)) act.source = -1;
  return act;
}

std::string text_of(const Answer& answer) {
  return answer.code + ' ' + words_of(answer.state);
}

std::string text_of(const Found& found) {
  return std::to_string(found.volume) + ' ' + words_of(found.state);
}

Answer parse_answer(const std::string& text) {
  std::istringstream stream(text);
  Answer answer;
  stream >> answer.code;
  answer.state = state_of(stream);
  return answer;
}

Found parse_found(const std::string& text) {
  std::istringstream stream(text);
  Found found;
  stream >> found.volume;
  found.state = state_of(stream);
  return found;
}

Marker::Marker(const std::string& place) {
  const auto colon = place.rfind(':');
  if (colon == std::string::npos) return;
  const std::string path = place.substr(0, colon);
  offset_ = std::stoull(place.substr(colon + 1));
  device_ = check(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC), "open", path);
}

Marker::~Marker() {
  if (device_ != -1) ::close(device_);
}

void Marker::leave(const std::string& text) {
  if (device_ == -1) return;
  const std::string line = kMarkMagic + (' ' + text);
  if (line.size() >= kSectorBytes) throw std::length_error("a mark too long: " + text);
  alignas(kAlign) char sector[kSectorBytes] = {};
  std::memcpy(sector, line.data(), line.size());
  const auto at = static_cast<off_t>(offset_);
  const auto done = check(::pwrite(device_, sector, sizeof sector, at), "leave", "a mark");
  if (done != sizeof sector) throw SystemError("a mark was cut off");
  offset_ += kSectorBytes;
}

}  // namespace qubes::storage::crash

// Marks of one run:
//
//   volume origin vm-templates t root -1 2 3        kind, vid, source, size and largest size
//   ready                                            from here on it promises something
//   begin write 0 1 7 3                              verb, volume, keep, fresh symbol, chunks
//   done OK 2.1.1 2.7.7 1 2.0.0                      committed, session, revisions
//   begin import 2 1 8 0 0                           the last one: from which volume
//   wrong export of ...                              seen by the workload itself
//   end
//
// One that goes on after a reset says before "ready" how it found each volume:
//
//   found 0 2.1.1 2.7.7 1 2.0.0
