// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/session.h"

#include <utility>

#include "testvm/crash/observe.h"

namespace qubes::storage::crash {

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
  const simulation::VolumeSpec& spec = history_.volumes()[act.volume];
  note("begin " + text_of(act));
  message.clear();
  Answer answer;
  answer.code = library_.perform(act, history_.now()[act.volume], &message);
  const simulation::Disk disk = observe(pool_, {spec});
  answer.state = simulation::read_state(spec, simulation::look(disk, spec));
  note("done " + text_of(answer));
  return history_.complaint().empty();
}

}  // namespace qubes::storage::crash
