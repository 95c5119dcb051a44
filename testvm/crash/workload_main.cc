// SPDX-License-Identifier: LGPL-2.1-or-later
// Random operations on a small pool, through the C API, with a mark on the recorded disk before and
// after each.
//
// usage: crash-workload --seed N --acts N [--own-clock 1] [--keep-max N] POOL
//
// $CRASH_MARKS says where marks go (crash-stage sets it). With --own-clock it may set the clock
// forward, which saves waiting for its ticks to pass. --keep-max 1 keeps at most one revision, and
// never disables snapshots.
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "testvm/crash/arguments.h"
#include "testvm/crash/plan.h"
#include "testvm/crash/session.h"

namespace qubes::storage::crash {
namespace {

constexpr std::time_t kTickSeconds = 3;  // more than the library distrusts

void advance_clock() {
  timespec now{};
  check(::clock_gettime(CLOCK_REALTIME, &now), "read", "the clock");
  now.tv_sec += kTickSeconds;
  check(::clock_settime(CLOCK_REALTIME, &now), "set", "the clock");
}

int run(const Arguments& arguments) {
  if (arguments.rest.size() != 1) throw std::invalid_argument("one POOL is needed");
  const std::string pool = arguments.rest[0];
  const char* place = std::getenv("CRASH_MARKS");
  Marker marker(place == nullptr ? "" : place);
  History history;
  auto note = [&](const std::string& mark) {
    marker.leave(mark);
    history.add(mark);
  };
  for (const simulation::VolumeSpec& spec : planned_volumes()) note("volume " + text_of(spec));
  Plan plan(arguments.number("seed"), static_cast<int>(arguments.number("keep-max", 2)));
  Session session(pool, history, &marker);
  session.library().set_up();
  note("ready");
  const bool own_clock = arguments.number("own-clock", 0) != 0;
  for (std::uint64_t i = arguments.number("acts"); i > 0; --i) {
    const Act act = plan.next(history);
    Random& random = plan.random();
    if (own_clock && random.one_in(2)) advance_clock();
    session.library().choose(random.one_in(2),
                             random.one_in(2) ? ImportWay::in_place : ImportWay::from_descriptor);
    if (!session.run(act)) {
      std::cout << history.complaint() << ' ' << session.message << std::endl;
      return 1;
    }
    if (random.one_in(3)) session.library().drain();
  }
  note("end");
  return 0;
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  try {
    return run(Arguments(count, values));
  } catch (const std::exception& error) {
    std::cout << "crash-workload: " << error.what() << std::endl;
    return 2;
  }
}
