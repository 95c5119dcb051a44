// SPDX-License-Identifier: LGPL-2.1-or-later
// Puts the disk into crash states, mounts each, and judges what is there. The same program runs on
// the host (as root), in User Mode Linux and in a virtual machine.
//
// usage: crash-check --base FILE --log FILE --data-end BYTES --fs KIND [--tear BYTES] [--random N]
//          [--torn N] [--shard I/N] [--end S] [--seconds S] [--bad-max N] [--scratch DIR]
//          [--state NAME] [--preload FILE] [--mistake NAME] [--then ...]
//
// --mistake: the library that recovers and is used makes it too; FILE, which plants it, is that of
// all recordings.
// --seconds: for how long at most; --end: and when to stop, since the program began. --then:
// another recording, with options of its own; a boot costs more than some recordings take.
//
// Its lines begin with "@ " (others may write to the same console), the last of each recording is
// "@ end ...". Exit status: 0 all is well, 1 a violation, 2 it could not be told.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "testvm/crash/judge.h"
#include "testvm/crash/preload/control.h"
#include "testvm/crash/recording.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

// Each pass goes once through the log, so that a time limit leaves out a random part of all states.
constexpr std::size_t kPasses = 16;

void say(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) std::cout << "@ " << line << '\n';
  std::cout << std::flush;
}

double seconds_since_start() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Check {
 public:
  explicit Check(const Arguments& arguments)
      : recording_(arguments),
        judge_(make_judge(recording_.log.marks)),
        filesystem_(arguments.text("fs")),
        bad_max_(arguments.number("bad-max", 5)),
        end_(limit(arguments)),
        mount_point_(arguments.text("scratch", "/tmp") + "/crash-mount"),
        image_(recording_.log, recording_.base_path, recording_.how),
        disk_(arguments.text("scratch", "/tmp"), image_.content().size()) {
    const std::string shard = arguments.text("shard", "0/1");
    shard_ = std::stoull(shard);
    shards_ = std::stoull(shard.substr(shard.find('/') + 1));
    ::mkdir(mount_point_.c_str(), 0700);
    if (judge_->ready_at() == 0) throw LogError("the recording has no mark 'ready'");
  }

  int run(const std::string& only) {
    if (const std::string complaint = judge_->without_crash(); !complaint.empty()) {
      bad("live", "without any crash: " + complaint);
      return end(0);
    }
    const States states = enumerate(recording_.log, judge_->ready_at(), recording_.how);
    std::ostringstream text;
    text << "start named=" << states.named << " distinct=" << states.distinct.size()
         << " windows=" << recording_.log.windows.size()
         << " marks=" << recording_.log.marks.size();
    say(text.str());
    std::size_t left = 0;
    for (std::size_t pass = 0; pass < kPasses; ++pass) {
      for (const CrashState& state : states.distinct) {
        if (only.empty() ? !is_mine(state, pass) : !(pass == 0 && is_called(state, only))) continue;
        if (is_over()) {
          ++left;
        } else {
          visit(state);
        }
      }
    }
    if (!only.empty() && checked_ == 0) throw std::invalid_argument("no such state: " + only);
    return end(left);
  }

 private:
  bool is_mine(const CrashState& state, std::size_t pass) const {
    const bool is_boundary = state.name.cut == Cut::none;
    const std::size_t own = is_boundary ? 0 : 1 + state.hash / 1009 % (kPasses - 1);
    return state.hash % shards_ == shard_ && own == pass;
  }

  bool is_called(const CrashState& state, const std::string& name) const {
    return state.name.text() == name;
  }

  static double limit(const Arguments& arguments) {
    constexpr const char* kNever = "1e9";
    const double seconds = std::stod(arguments.text("seconds", kNever));
    return std::min(std::stod(arguments.text("end", kNever)), seconds_since_start() + seconds);
  }

  bool is_over() const { return bad_ >= bad_max_ || seconds_since_start() > end_; }

  void bad(const std::string& name, const std::string& complaint) {
    ++bad_;
    say("bad " + name + '\n' + "| " + complaint);
  }

  void visit(const CrashState& state) {
    image_.go_to(state.name);
    disk_.become(image_.content());
    ++checked_;
    std::string complaint;
    try {
      Mount mount(disk_.device(), filesystem_, mount_point_);
      complaint = judge_->after_crash(state, mount_point_);
      mount.unmount();
    } catch (const SystemError& error) {
      complaint = error.what();
    } catch (const std::filesystem::filesystem_error& error) {
      complaint = error.what();
    }
    if (!complaint.empty()) bad(state.name.text(), complaint);
  }

  int end(std::size_t left) const {
    char text[160];
    std::snprintf(text, sizeof text, "end checked=%zu bad=%zu left=%zu seconds=%.2f", checked_,
                  bad_, left, seconds_since_start() - begin_);
    say(text);
    return bad_ > 0 ? 1 : 0;
  }

  const Recording recording_;
  const std::unique_ptr<Judge> judge_;
  const std::string filesystem_;
  const std::size_t bad_max_;
  const double end_;
  const std::string mount_point_;
  StateImage image_;
  LoopDisk disk_;
  std::size_t shard_ = 0;
  std::size_t shards_ = 1;
  std::size_t checked_ = 0;
  std::size_t bad_ = 0;
  const double begin_ = seconds_since_start();
};

// Begins anew with the library of mistakes, where that is asked for.
void preload(int count, char** values) {
  const Arguments first(count, values);
  const std::string file = first.text("preload", "");
  if (file.empty() || std::getenv("LD_PRELOAD") != nullptr) return;
  check(::setenv("LD_PRELOAD", file.c_str(), 1), "set", "LD_PRELOAD");
  check(::execv("/proc/self/exe", values), "execute", values[0]);
}

void plant(const std::string& mistake) {
  Plant* const function = preloaded<Plant>(kPlant);
  if (function != nullptr) return function(mistake.c_str());
  if (!mistake.empty()) throw std::invalid_argument("--mistake needs --preload");
}

int run(int count, char** values) {
  try {
    const Arguments arguments(count, values);
    plant(arguments.text("mistake", ""));
    return Check(arguments).run(arguments.text("state", ""));
  } catch (const std::exception& error) {
    say(std::string("failed ") + error.what());
    return 2;
  }
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  using namespace qubes::storage::crash;
  seconds_since_start();
  try {
    preload(count, values);
    leave_mount_namespace();
  } catch (const std::exception& error) {
    say(std::string("failed ") + error.what());
    return 2;
  }
  int worst = 0;
  for (int start = 0; start < count;) {
    int end = start + 1;
    while (end < count && std::string(values[end]) != "--then") ++end;
    worst = std::max(worst, run(end - start, values + start));
    start = end;
  }
  return worst;
}
