// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/session.h"

#include <utility>

#include "testvm/crash/observe.h"
#include "testvm/crash/stamp.h"

namespace qubes::storage::crash {
namespace {

using simulation::VolumeSpec;

constexpr std::size_t kExportsMax = 4;  // held at once

}  // namespace

Session::Session(std::string pool, History& history, Marker* marker)
    : pool_(std::move(pool)),
      history_(history),
      marker_(marker),
      library_(pool_, history.volumes()) {}

void Session::note(const std::string& mark) {
  if (marker_ != nullptr) marker_->leave(mark);
  history_.add(mark);
}

bool Session::run(const Act& act) {
  const VolumeSpec& spec = history_.volumes()[act.volume];
  // Refused while somebody reads what it would write to.
  if (act.verb == simulation::Verb::start && act.keep < 0) exports_.clear();
  note("begin " + text_of(act));
  message.clear();
  Answer answer;
  answer.code = library_.perform(act, history_.now()[act.volume], &message);
  const simulation::Disk disk = observe(pool_, {spec});
  answer.state = simulation::read_state(spec, simulation::look(disk, spec));
  note("done " + text_of(answer));
  return history_.complaint().empty();
}

bool Session::run_export(std::size_t volume, bool is_pinned) {
  const VolumeSpec& spec = history_.volumes()[volume];
  const auto& committed = history_.now()[volume].committed;
  if (committed && spec.is_saved()) {
    try {
      Descriptor file = is_pinned ? library_.export_pinned(volume) : library_.export_copy(volume);
      exports_.push_back({spec.vid(), std::move(file), *committed});
    } catch (const LibraryError& error) {
      note(std::string("wrong answer to an export: ") + error.what());
    }
    if (exports_.size() > kExportsMax) exports_.pop_front();
  }
  for (const Exported& one : exports_) {
    const simulation::Content found = read_content(one.file.get(), "an export of " + one.vid);
    if (found == one.content) continue;
    note("wrong export of " + one.vid + " reads " + found.text() + ", was " + one.content.text());
  }
  return history_.complaint().empty();
}

}  // namespace qubes::storage::crash
