// SPDX-License-Identifier: LGPL-2.1-or-later
// Random operations on a small pool, through the C API, with a mark on the recorded disk before and
// after each.
//
// usage: crash-workload --seed N --acts N [--own-clock 1] [--keep-max N] [--after FILE]
//          [--focus precaches] [--name NAME] [--ready-after N] POOL
//
// $CRASH_MARKS says where marks go (crash-stage sets it). With --own-clock it may set the clock
// forward, which saves waiting for its ticks to pass. --keep-max 1 keeps at most one revision, and
// never disables snapshots. --focus precaches: more of what concerns them, each ready at once.
//
// --after: the pool is as a reset has left it, in the middle of a run that had left the marks in
// FILE, a line each: it is recovered, compared with what they promise, and used further. A byte to
// the descriptor $CRASH_READY says that so many operations are done. Complaints are lines "@ NAME
// bad ...".
#include <sys/timex.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "testvm/crash/arguments.h"
#include "testvm/crash/judge_pool.h"
#include "testvm/crash/plan.h"
#include "testvm/crash/preload/control.h"
#include "testvm/crash/session.h"

namespace qubes::storage::crash {
namespace {

constexpr long kTickSeconds = 3;  // more than the library distrusts

// In one step: others may do so at the same time.
void advance_clock() {
  timex step{};
  step.modes = ADJ_SETOFFSET;
  step.time.tv_sec = kTickSeconds;
  check(::adjtimex(&step), "set", "the clock");
}

Focus focus_of(const std::string& text) {
  if (text.empty()) return Focus::everything;
  if (text == "precaches") return Focus::precaches;
  throw std::invalid_argument("no such focus: " + text);
}

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class Workload {
 public:
  explicit Workload(const Arguments& arguments)
      : arguments_(arguments),
        pool_(arguments.rest.at(0)),
        name_(arguments.text("name", "workload")),
        marker_(setting("CRASH_MARKS")),
        focus_(focus_of(arguments.text("focus", ""))),
        plan_(arguments.number("seed"), static_cast<int>(arguments.number("keep-max", 2)), focus_) {
  }

  // The exit status.
  int run() {
    const std::string before = arguments_.text("after", "");
    if (before.empty()) {
      set_up();
    } else if (!go_on_after(before)) {
      return 1;
    }
    note("ready");
    const std::uint64_t ready_after = arguments_.number("ready-after", 0);
    for (std::uint64_t i = 0; i < arguments_.number("acts"); ++i) {
      if (i == ready_after) say_ready();
      if (is_act_fine()) continue;
      complain(history_.complaint() + ' ' + session_->message);
      return 1;
    }
    note("end");
    return 0;
  }

 private:
  void note(const std::string& mark) {
    marker_.leave(mark);
    history_.add(mark);
  }

  // A line in one piece: others write to the same place.
  void complain(const std::string& text) const {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::cout << "@ " + name_ + " bad " + line + '\n' << std::flush;
    }
  }

  void set_up() {
    for (const simulation::VolumeSpec& spec : planned_volumes()) note("volume " + text_of(spec));
    session_ = std::make_unique<Session>(pool_, history_, &marker_);
    session_->library().set_up();
  }

  bool go_on_after(const std::string& path) {
    const History before = History::of(lines_of(path));
    const std::vector<Moment> now = {{before.marks(), before.marks()}};
    make_quiet(true);  // the noise makes files too, which would count as touched
    const Recovered recovered = recover_and_judge(before, now, pool_);
    make_quiet(false);
    if (!recovered.complaint.empty()) {
      complain(recovered.complaint + "\n  recover did:\n" + recovered.report);
      return false;
    }
    for (const simulation::VolumeSpec& spec : before.volumes()) note("volume " + text_of(spec));
    for (std::size_t i = 0; i < recovered.found.size(); ++i) {
      note("found " + text_of(Found{i, recovered.found[i]}));
    }
    session_ = std::make_unique<Session>(pool_, history_, &marker_);
    return true;
  }

  static void make_quiet(bool is_quiet) {
    if (Quiet* const function = preloaded<Quiet>(kQuiet)) function(is_quiet);
  }

  static void say_ready() {
    const std::string descriptor = setting("CRASH_READY");
    if (descriptor.empty()) return;
    check(::write(std::stoi(descriptor), "r", 1), "say", "that all is ready");
  }

  // What the machines on the volumes cannot do is a fault of the library too.
  bool is_act_fine() {
    try {
      return act();
    } catch (const SystemError& error) {
      note(std::string("wrong access to a disk: ") + error.what());
      return false;
    }
  }

  bool act() {
    static constexpr ImportWay kWays[] = {ImportWay::in_place, ImportWay::in_place_recovering,
                                          ImportWay::from_descriptor, ImportWay::from_descriptor};
    const Act act = plan_.next(history_);
    Random& random = plan_.random();
    if (arguments_.number("own-clock", 0) != 0 && random.one_in(2)) advance_clock();
    session_->library().choose(random.one_in(2), kWays[random.below(std::size(kWays))]);
    if (!session_->run(act)) return false;
    if (random.one_in(4)) {
      const std::size_t volume = random.below(history_.volumes().size());
      if (!session_->run_export(volume, random.one_in(2))) return false;
    }
    if (focus_ == Focus::precaches || random.one_in(3)) session_->library().drain();
    return true;
  }

  const Arguments& arguments_;
  const std::string pool_, name_;
  Marker marker_;
  History history_;
  const Focus focus_;
  Plan plan_;
  std::unique_ptr<Session> session_;
};

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  try {
    const Arguments arguments(count, values);
    if (arguments.rest.size() != 1) throw std::invalid_argument("one POOL is needed");
    return Workload(arguments).run();
  } catch (const std::exception& error) {
    std::cout << "@ workload failed: " << error.what() << std::endl;
    return 2;
  }
}
