// SPDX-License-Identifier: LGPL-2.1-or-later
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "src/pool.h"
#include "tests/simulation/faulting_filesystem.h"
#include "tests/simulation/faults.h"

namespace qubes::storage::simulation {
namespace {

namespace stdfs = std::filesystem;

constexpr int kCallsMax = 400;
constexpr const char* kVid = "appvms/work/private";
enum class Done { injected, no_such_call, no_such_errno };

std::size_t open_descriptors() {
  const auto range = stdfs::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(range), end(range)));
}

// A volume with a committed state "state 2", a revision and, if asked for, a session with "state
// 3".
class RealFault {
 public:
  explicit RealFault(const std::string& directory)
      : path_(directory + "/faults-XXXXXX"), at_start_(open_descriptors()) {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
    fs_ = std::make_shared<FaultingFilesystem>(real_filesystem());
    open();
  }
  ~RealFault() {
    close();
    stdfs::remove_all(path_);
  }

  void open() {
    PoolConfig config;
    config.dir_path = path_ + "/pool";
    config.setup_check = false;
    pool_ = std::make_unique<Pool>(config, fs_, Worker::Mode::on_drain);
    pool_->setup();
    VolumeConfig volume;
    volume.size_bytes = 8192;
    volume.rw = true;
    volume.save_on_stop = true;
    volume.revisions_to_keep = 1;
    volume_ = pool_->volume(kVid, volume);
  }
  void close() {
    volume_.reset();
    pool_.reset();
  }
  void session(const char* text) {
    volume_->start();
    write(text);
    volume_->stop();
    pool_->drain();
  }
  void write(const char* text) const {
    std::fstream(file("-dirty.img"), std::ios::in | std::ios::out) << text << std::flush;
  }
  std::string committed() const {
    std::ifstream in(file(".img"));
    std::string text;
    std::getline(in, text, '\0');
    return text;
  }
  bool has_temporary() const {
    if (!stdfs::exists(path_ + "/pool/appvms/work")) return false;
    const auto range = stdfs::directory_iterator(path_ + "/pool/appvms/work");
    return std::any_of(begin(range), end(range), [](const auto& entry) {
      return entry.path().filename().string().find('~') != std::string::npos;
    });
  }
  std::string file(const std::string& suffix) const { return path_ + "/pool/" + kVid + suffix; }
  std::size_t leaked() const { return open_descriptors() - at_start_; }
  FaultingFilesystem& fs() { return *fs_; }
  Volume& volume() { return *volume_; }
  Pool& pool() { return *pool_; }

 private:
  std::string path_;
  const std::size_t at_start_;
  std::shared_ptr<FaultingFilesystem> fs_;
  std::unique_ptr<Pool> pool_;
  std::shared_ptr<Volume> volume_;
};

struct RealAct {
  const char* name;
  std::function<void(RealFault&)> prepare;
  std::function<void(RealFault&)> act;
  std::vector<std::string> committed;  // one of these, whatever happened
};

void two_states(RealFault& at) {
  at.volume().create();
  at.session("state 1");
  at.session("state 2");
}

std::vector<RealAct> real_acts() {
  return {
      {"create", [](auto&) {}, [](auto& at) { at.volume().create(); }, {""}},
      {"start", two_states, [](auto& at) { at.volume().start(); }, {"state 2"}},
      {"start without precache",
       [](auto& at) {
         two_states(at);
         stdfs::remove(at.file("-precache.img"));
       },
       [](auto& at) { at.volume().start(); },
       {"state 2"}},
      {"stop",
       [](auto& at) {
         two_states(at);
         at.volume().start();
         at.write("state 3");
       },
       [](auto& at) { at.volume().stop(); },
       {"state 2", "state 3"}},
      {"revert", two_states, [](auto& at) { at.volume().revert(0); }, {"state 2", "state 1"}},
      {"grow", two_states, [](auto& at) { at.volume().resize(16384, false); }, {"state 2"}},
      {"shrink", two_states, [](auto& at) { at.volume().resize(4096, true); }, {"state 2"}},
      {"import",
       two_states,
       [](auto& at) {
         at.volume().import_begin(8192);
         at.volume().import_end(true);
       },
       {"state 2", ""}},
      {"discard",
       [](auto& at) {
         two_states(at);
         at.volume().start();
         at.write("state 3");
       },
       [](auto& at) { at.volume().discard(); },
       {"state 2"}},
      {"remove", two_states, [](auto& at) { at.volume().remove(); }, {"state 2", ""}},
  };
}

std::string judge(RealFault& at, const RealAct& act, bool is_ok) {
  at.fs().disarm();
  const std::string committed = at.committed();
  if (std::count(act.committed.begin(), act.committed.end(), committed) == 0) {
    return "the committed state is \"" + committed + '"';
  }
  at.close();
  if (at.has_temporary()) return "a temporary is left";
  if (at.leaked() > 0) return std::to_string(at.leaked()) + " descriptors are left open";
  if (is_ok || committed != act.committed.front()) return "";
  at.open();
  try {
    act.act(at);
  } catch (const Error& error) {
    // What a failure after the publishing step leaves is done already.
    const bool is_done = error.code() == Code::exists || error.code() == Code::not_found;
    return is_done ? "" : std::string("a second try fails: ") + error.what();
  }
  return "";
}

Done inject(const std::string& directory, const RealAct& act, int n, std::size_t which,
            FaultReport& report) {
  RealFault at(directory);
  act.prepare(at);
  at.pool().drain();
  at.fs().arm(n, which);
  bool is_ok = false;
  std::string complaint;
  try {
    act.act(at);
    is_ok = true;
  } catch (const Error&) {
  } catch (const std::exception& error) {
    complaint = std::string("an untyped error: ") + error.what();
  }
  at.pool().drain();
  if (at.fs().is_out_of_errnos()) return Done::no_such_errno;
  if (!at.fs().has_fired()) return Done::no_such_call;
  ++report.injected;
  const std::string what = at.fs().what();
  if (complaint.empty()) complaint = judge(at, act, is_ok);
  if (!complaint.empty()) {
    report.violations.push_back(std::string("real: ") + act.name + " with " + what + " (call " +
                                std::to_string(n) + "): " + complaint);
  }
  return Done::injected;
}

}  // namespace

void real_faults(const std::string& directory, FaultReport& report) {
  for (const RealAct& act : real_acts()) {
    bool more = true;
    for (int n = 1; more && n <= kCallsMax; ++n) {
      Done done = Done::injected;
      for (std::size_t which = 0; done == Done::injected; ++which) {
        done = inject(directory, act, n, which, report);
      }
      more = done != Done::no_such_call;
    }
  }
}

}  // namespace qubes::storage::simulation
