// SPDX-License-Identifier: LGPL-2.1-or-later
// Everything at once through the public API: threads, and a process beside them, that call verbs
// and start jobs on all kinds of volumes of two pools on one directory, cancel, drain, recover,
// fork, are interrupted by signals, and drop what they have in any order. Three seconds, or what
// QUBES_STORAGE_TEST_SECONDS says.
#include "tests/real/stress.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/test/unit_test_parameters.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>

#include "src/fs/descriptor.h"
#include "src/names.h"
#include "tests/support/loop_mount.h"
#include "tests/support/settings.h"

#if defined(__SANITIZE_THREAD__)
constexpr bool kChildMayAllocate = false;  // the sanitizer's own locks may be held for ever there
#else
constexpr bool kChildMayAllocate = true;
#endif

namespace qubes::storage::test::stress {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kWorkers = 6;
constexpr std::chrono::milliseconds kRound(700);
constexpr std::chrono::minutes kHang(4);
constexpr std::size_t kJobsInHand = 6;
constexpr unsigned kSecondsOfChild = 60;

constexpr const char* kTemplate = "vm-templates/deb/root";
constexpr const char* kInPlace = "appvms/w1/private";
const std::vector<const char*> kVerbsAlone = {"create", "start",  "stop",
                                              "resize", "revert", "discard"};
const std::vector<Kind> kKeptKinds = {{kTemplate, true, nullptr, 2},
                                      {"appvms/k0/private", true, nullptr, 2},
                                      {"appvms/k0/root", true, kTemplate, 1}};
// Anybody does anything to these; nobody writes in their sessions.
const std::vector<Kind> kWildKinds = {{"appvms/w0/private", true, nullptr, 2},
                                      {"appvms/w0/root", false, kTemplate, 0},
                                      {"appvms/w0/volatile", false, nullptr, 0},
                                      {"appvms/w0/system", true, kTemplate, 1},
                                      {kInPlace, true, nullptr, -1},
                                      {"appvms/w1/data", true, nullptr, 0},
                                      {"appvms/w1/root", false, kInPlace, 0}};

// What a worker has in hand.
struct Handles {
  std::vector<Pool> pools;
  std::vector<std::vector<Volume>> wild;  // by kind: one of each pool
  std::vector<std::vector<Volume>> kept;
};

struct World {
  World(const std::string& scratch, unsigned seed_in) : path(scratch + "/pool"), seed(seed_in) {
    for (const Kind& kind : kKeptKinds) kept.push_back(std::make_unique<Kept>(kind, path));
  }

  Handles open() const {
    Handles made;
    made.pools = {open_pool(path), open_pool(path)};
    const auto open_all = [&](const std::vector<Kind>& kinds) {
      std::vector<std::vector<Volume>> volumes;
      for (const Kind& kind : kinds) {
        volumes.emplace_back();
        for (const Pool& pool : made.pools) volumes.back().push_back(open_volume(pool, kind));
      }
      return volumes;
    };
    made.wild = open_all(kWildKinds);
    made.kept = open_all(kKeptKinds);
    return made;
  }

  const std::string path;
  const unsigned seed;
  std::vector<std::unique_ptr<Kept>> kept;
  Failures failures;
};

// ---- What one thread does ----

class Worker {
 public:
  // One in another process leaves alone what is known in this one only.
  Worker(World& world, Handles handles, unsigned seed, bool is_alone)
      : world_(world), has_(std::move(handles)), random_(seed), is_alone_(is_alone) {}

  void run(Clock::time_point end) {
    try {
      while (Clock::now() < end) step();
      let_go();
    } catch (const std::exception& error) {
      world_.failures.add(error.what());
      stalled_.clear();
    }
  }

 private:
  void step();
  void wild();
  void kept();
  void of_pool();
  void look();
  void stalled_stream();
  void own_pool();
  void child();
  void let_go();
  void keep(Job job);

  World& world_;
  Handles has_;
  Random random_;
  const bool is_alone_;
  std::deque<Job> jobs_;           // started, and perhaps dropped before they have ended
  std::vector<UniqueFd> stalled_;  // the ends of pipes that jobs read from
};

void Worker::step() {
  const unsigned choice = random_() % 40;
  if (is_alone_ && choice >= 14 && choice < 26) return wild();
  if (is_alone_ && choice >= 37) return own_pool();
  if (choice < 14) return wild();
  if (choice < 26) return kept();
  if (choice < 31) return of_pool();
  if (choice < 35) return look();
  if (choice < 37) return stalled_stream();
  if (choice < 39) return own_pool();
  if (chance(random_, 4)) child();
}

const Verb& any_verb(Random& random) {
  unsigned sum = 0;
  for (const Verb& verb : verbs()) sum += verb.weight;
  unsigned at = random() % sum;
  for (const Verb& verb : verbs()) {
    if (at < verb.weight) return verb;
    at -= verb.weight;
  }
  return verbs().front();
}

void Worker::keep(Job job) {
  jobs_.push_back(std::move(job));
  if (jobs_.size() <= kJobsInHand) return;
  if (chance(random_, 2)) std::swap(jobs_.front(), any_of(random_, jobs_));
  jobs_.pop_front();
}

void Worker::wild() {
  const Verb& verb = any_verb(random_);
  const std::size_t which = random_() % kWildKinds.size();
  const Volume volume = any_of(random_, has_.wild[which]);
  // From a volume of the same pool or of the other, and from itself.
  const Volume source =
      any_of(random_, any_of(random_, chance(random_, 2) ? has_.kept : has_.wild));
  const bool exports = verb.name == std::string("export_to");
  const UniqueFd file(exports ? ::open(world_.path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                              : stamped_file(world_.path, new_generation(), kStridesMax / 2));
  Call call = {volume.get(),
               source.get(),
               file.get(),
               kStride * (1 + random_() % kStridesMax),
               static_cast<int>(random_() % 3),
               0};
  if (kWildKinds[which].revisions_to_keep == -1 && chance(random_, 3)) call.keep = -1;
  if (call.keep == -1 && verb.name == std::string("prune")) call.keep = 0;
  if (chance(random_, 2)) {
    const std::int32_t code = perform(verb, call, random_, world_.failures);
    if (exports && code == QUBES_STORAGE_OK) {
      generation_of(file.get(), "an export of " + std::string(kWildKinds[which].vid),
                    world_.failures);
    }
    return;
  }
  Job job;
  Error error;
  const std::int32_t code = verb.later(call, job.out(), error.out());
  check_answer(verb, kWildKinds[which].vid, code, error, world_.failures);
  if (code != QUBES_STORAGE_OK) return;
  if (chance(random_, 4)) qubes_storage_job_cancel(job.get(), nullptr);
  keep(std::move(job));
}

void Worker::kept() {
  const std::size_t which = random_() % kKeptKinds.size();
  const Volume volume = any_of(random_, has_.kept[which]);
  if (world_.kept[which]->operate(volume, random_, world_.failures)) return;
  // Somebody is at it: what it is at this moment can be read all the same.
  Error error;
  int fd = -1;
  const std::int32_t code = qubes_storage_volume_export_fd(volume.get(), 0, &fd, error.out());
  const UniqueFd pinned(fd);
  if (code != QUBES_STORAGE_OK) {
    world_.failures.add(std::string("export_fd: ") + qubes_storage_error_message(error.get()));
  } else {
    generation_of(fd, "an export of " + std::string(kKeptKinds[which].vid), world_.failures);
  }
}

void Worker::of_pool() {
  const Pool pool = any_of(random_, has_.pools);
  const char* const candidates[] = {"/", "/nowhere"};
  Job job;
  Error error;
  std::int32_t code = 0;
  switch (random_() % 8) {
    case 0:
      code = qubes_storage_pool_recover_async(pool.get(), job.out(), error.out());
      break;
    case 1:
      code = qubes_storage_pool_drain_async(pool.get(), job.out(), error.out());
      break;
    case 2:
      code = qubes_storage_pool_get_info_async(pool.get(), job.out(), error.out());
      break;
    case 3:
      code = qubes_storage_pool_list_async(pool.get(), job.out(), error.out());
      break;
    case 4:
      code = qubes_storage_pool_setup_async(pool.get(), job.out(), error.out());
      break;
    case 5:
      code =
          qubes_storage_pool_included_in_async(pool.get(), candidates, 2, job.out(), error.out());
      break;
    default: {
      Ref<qubes_storage_report, qubes_storage_report_ref, qubes_storage_report_unref> report;
      code = qubes_storage_pool_recover(pool.get(), report.out(), error.out());
      break;
    }
  }
  if (code == QUBES_STORAGE_OK && job.get() != nullptr && chance(random_, 2)) {
    const bool cancels = chance(random_, 2);
    if (cancels) qubes_storage_job_cancel(job.get(), nullptr);
    code = result_of(job, chance(random_, 2), error, world_.failures);
    if (cancels && code == QUBES_STORAGE_CANCELLED) code = QUBES_STORAGE_OK;
  } else if (job.get() != nullptr) {
    keep(std::move(job));
  }
  if (code != QUBES_STORAGE_OK) {
    world_.failures.add(std::string("of the pool: ") + qubes_storage_error_message(error.get()));
  }
}

void Worker::look() {
  const Volume volume =
      any_of(random_, any_of(random_, chance(random_, 2) ? has_.kept : has_.wild));
  Ref<qubes_storage_volume_info, qubes_storage_volume_info_ref, qubes_storage_volume_info_unref>
      info;
  Ref<qubes_storage_revisions, qubes_storage_revisions_ref, qubes_storage_revisions_unref> all;
  Error error;
  std::int32_t code = qubes_storage_volume_get_info(volume.get(), info.out(), error.out());
  if (code == QUBES_STORAGE_OK) {
    code = qubes_storage_volume_get_revisions(volume.get(), all.out(), error.out());
  }
  if (code != QUBES_STORAGE_OK) {
    world_.failures.add(std::string("look: ") + qubes_storage_error_message(error.get()));
  }
  for (const Job& job : jobs_) {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    qubes_storage_job_progress(job.get(), &done, &total, nullptr);
    qubes_storage_job_result(job.get(), nullptr);
  }
}

// An import from a pipe of which nobody knows yet whether more will come.
void Worker::stalled_stream() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) == -1) return world_.failures.add("no pipe");
  const UniqueFd reads(ends[0]);
  stalled_.emplace_back(ends[1]);
  const std::vector<std::uint64_t> block(512, new_generation());
  if (::write(ends[1], block.data(), 4096) != 4096) world_.failures.add("cannot write to a pipe");
  const std::size_t which = random_() % kWildKinds.size();
  const Volume volume = any_of(random_, has_.wild[which]);
  Job job;
  Error error;
  const std::int32_t code = qubes_storage_volume_import_fd_async(
      volume.get(), reads.get(), QUBES_STORAGE_UNKNOWN, 0, job.out(), error.out());
  if (code != QUBES_STORAGE_OK) {
    return world_.failures.add(std::string("import_fd: ") +
                               qubes_storage_error_message(error.get()));
  }
  if (chance(random_, 2)) {
    qubes_storage_job_cancel(job.get(), nullptr);
    result_of(job, chance(random_, 2), error, world_.failures);
  }
  keep(std::move(job));
  if (stalled_.size() > 2) stalled_.erase(stalled_.begin());
}

// A pool of its own, of which it drops all handles at once and in any order, jobs under way.
void Worker::own_pool() {
  Pool pool = open_pool(world_.path);
  const std::size_t which = random_() % kWildKinds.size();
  Volume volume = open_volume(pool, kWildKinds[which]);
  std::vector<Job> jobs(1 + random_() % 3);
  for (Job& job : jobs) {
    const Verb& of_job = verb(any_of(random_, kVerbsAlone));
    Call call = {volume.get(), nullptr, -1, kStride, 1, 0};
    if (of_job.later(call, job.out(), nullptr) != QUBES_STORAGE_OK) {
      world_.failures.add(of_job.name);
    }
    if (chance(random_, 3)) qubes_storage_job_cancel(job.get(), nullptr);
  }
  std::vector<std::function<void()>> drops = {[&] { pool = Pool(); }, [&] { volume = Volume(); },
                                              [&] { jobs.clear(); }};
  std::shuffle(drops.begin(), drops.end(), random_);
  if (chance(random_, 2)) {
    for (const auto& drop : drops) drop();
  } else {
    std::vector<std::thread> threads;
    for (const auto& drop : drops) threads.emplace_back(drop);
    for (std::thread& thread : threads) thread.join();
  }
}

// The answer is the child's status.
bool is_refused(const Handles& has) {
  Error error;
  Job job;
  const bool refused =
      qubes_storage_volume_start(has.wild[0][0].get(), 0, error.out()) == QUBES_STORAGE_INVALID &&
      qubes_storage_pool_drain_async(has.pools[0].get(), job.out(), error.out()) ==
          QUBES_STORAGE_INVALID;
  qubes_storage_pool_unref(has.pools[0].get());
  return refused;
}

void Worker::child() {
  const unsigned choice = random_() % 3;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kSecondsOfChild);
    if (choice == 0) ::execlp("true", "true", nullptr);
    ::_exit(choice == 1 && kChildMayAllocate && !is_refused(has_) ? 1 : 0);
  }
  int status = -1;
  if (child == -1 || retry([&] { return ::waitpid(child, &status, 0); }) == -1 || status != 0) {
    world_.failures.add("a child ended with status " + std::to_string(status));
  }
}

// In any order, jobs under way. But whoever drops last waits for the jobs that read from pipes.
void Worker::let_go() {
  stalled_.clear();
  std::vector<std::function<void()>> drops = {[&] { has_.pools.clear(); }, [&] { jobs_.clear(); },
                                              [&] { has_.wild.clear(); },
                                              [&] { has_.kept.clear(); }};
  std::shuffle(drops.begin(), drops.end(), random_);
  for (const auto& drop : drops) drop();
}

// ---- What is the same before and after ----

std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::error_code gone;  // the listing's own descriptor is
    std::string target = entry.is_symlink() ? std::filesystem::read_symlink(entry, gone) : "";
    found.push_back(entry.path().filename().string() + " " + target);
  }
  return found;
}

struct InProcess {
  std::size_t descriptors = entries("/proc/self/fd").size();
  std::size_t threads = entries("/proc/self/task").size();
};

void check_nothing_is_left(const InProcess& before, Failures& failures) {
  InProcess now;
  // The kernel wakes who joins a thread a moment before the thread is gone from /proc.
  for (int turn = 0; turn < 500 && now.threads != before.threads; ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    now = InProcess();
  }
  if (now.threads != before.threads) {
    failures.add("threads: " + std::to_string(now.threads) + ", before there were " +
                 std::to_string(before.threads));
  }
  if (now.descriptors == before.descriptors) return;
  std::string all = "descriptors, before there were " + std::to_string(before.descriptors) + ":";
  for (const std::string& entry : entries("/proc/self/fd")) all += "\n  " + entry;
  failures.add(all);
}

// ---- What is on the disk in the end ----

void recover(const Pool& pool, bool again, Failures& failures) {
  Ref<qubes_storage_report, qubes_storage_report_ref, qubes_storage_report_unref> report;
  Error error;
  if (qubes_storage_pool_recover(pool.get(), report.out(), error.out()) != QUBES_STORAGE_OK) {
    failures.add(qubes_storage_error_message(error.get()));
  }
  for (std::size_t i = 0; i < qubes_storage_report_count(report.get()); ++i) {
    const std::string found = qubes_storage_report_finding(report.get(), i);
    // Sessions that were left running, and imports whose handle was dropped: no crash, no
    // leftovers.
    if (found.starts_with("session ") || (!again && found.starts_with("import that nobody "))) {
      continue;
    }
    failures.add(std::string("left in ") + qubes_storage_report_vid(report.get(), i) + ": " +
                 found + ": " + qubes_storage_report_action(report.get(), i));
  }
}

void check_file(const std::filesystem::path& path, Failures& failures) {
  const auto name = parse_file_name(path.filename().string());
  using Role = FileName::Role;
  if (!name || name->role == Role::temporary || name->role == Role::import) {
    return failures.add("left over: " + path.string());
  }
  const std::uint64_t own = generation_of(path.string(), failures);
  const std::string clean = path.parent_path() / (name->volume + ".img");
  if (name->role == Role::precache && std::filesystem::exists(clean) &&
      generation_of(clean, failures) != own) {
    failures.add(path.string() + " is not what is committed");
  }
}

void check_whole(World& world) {
  Failures& failures = world.failures;
  const Pool pool = open_pool(world.path);
  recover(pool, false, failures);
  recover(pool, true, failures);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world.path)) {
    if (!entry.is_directory()) check_file(entry.path(), failures);
  }
  for (const auto& kept : world.kept) kept->check(failures);
}

// ---- Rounds ----

// Signals for the workers at any moment, and the end of all if they never end.
class Interrupter {
 public:
  Interrupter(std::vector<std::thread>& threads, unsigned seed)
      : thread_([this, &threads, seed] { run(threads, seed); }) {}
  ~Interrupter() {
    stopping_ = true;
    thread_.join();
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;
  void watch_only() { watches_only_ = true; }

 private:
  void run(std::vector<std::thread>& threads, unsigned seed) {
    Random random(seed);
    const auto hang = Clock::now() + kHang;
    while (!stopping_) {
      if (!watches_only_) ::pthread_kill(any_of(random, threads).native_handle(), SIGUSR1);
      std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 2000));
      if (Clock::now() < hang) continue;
      std::cerr << "it hangs: repeat: make check-one T=real/stress SEED=" << seed << std::endl;
      std::abort();
    }
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<bool> watches_only_ = false;
  std::thread thread_;
};

// A program of one thread that does the same in another process. It begins while there are no
// threads here.
class Stranger {
 public:
  Stranger(World& world, unsigned seed, Clock::time_point end) : world_(world), pid_(::fork()) {
    if (pid_ != 0) return;
    ::alarm(kSecondsOfChild);
    Worker(world, world.open(), seed, true).run(end);
    const std::vector<std::string> wrong = world.failures.take();
    for (const std::string& what : wrong) std::cerr << "another process: " << what << std::endl;
    ::_exit(wrong.empty() ? 0 : 1);
  }
  void join() {
    int status = -1;
    retry([&] { return ::waitpid(pid_, &status, 0); });
    if (status != 0) {
      world_.failures.add("another process ended with status " + std::to_string(status));
    }
  }

 private:
  World& world_;
  pid_t pid_;
};

void run_round(World& world, unsigned number) {
  const auto end = Clock::now() + kRound;
  Stranger stranger(world, world.seed + 1000 * number + 900, end);
  std::vector<std::unique_ptr<Worker>> workers;
  {
    // Dropped here before the workers have ended, and by these in any order.
    const Handles handles = world.open();
    for (unsigned i = 0; i < kWorkers; ++i) {
      workers.push_back(
          std::make_unique<Worker>(world, handles, world.seed + 1000 * number + 10 * i, false));
    }
  }
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&] { worker->run(end); });
  Interrupter interrupter(threads, world.seed);
  std::this_thread::sleep_until(end);
  // A worker that has ended can be joined, but not be sent signals meanwhile.
  interrupter.watch_only();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  for (std::thread& thread : threads) thread.join();
  stranger.join();
}

// That of `--random=SEED` (1 stands for any), else any.
unsigned choose_seed() {
  namespace config = boost::unit_test::runtime_config;
  const auto given = config::get<unsigned>(config::btrt_random_seed);
  if (given > 1) return given;
  return 2 + static_cast<unsigned>(std::time(nullptr)) % 1'000'000;
}

void make_kept(const World& world) {
  const Handles handles = world.open();
  BOOST_REQUIRE(qubes_storage_pool_setup(handles.pools[0].get(), nullptr) == 0);
  for (std::size_t i = 0; i < kKeptKinds.size(); ++i) {
    qubes_storage_volume* const volume = handles.kept[i][0].get();
    BOOST_REQUIRE(qubes_storage_volume_create(volume, 0, nullptr) == 0);
    BOOST_REQUIRE(qubes_storage_volume_start(volume, 0, nullptr) == 0);
    BOOST_REQUIRE(qubes_storage_volume_stop(volume, 0, nullptr) == 0);
  }
}

// A handler that does nothing: what waits in the kernel is interrupted.
class Interruptible {
 public:
  Interruptible() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Interruptible() { ::sigaction(SIGUSR1, &before_, nullptr); }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction before_ {};
};

const FilesystemKind kKinds[] = {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4};

BOOST_AUTO_TEST_SUITE(stress)

BOOST_DATA_TEST_CASE(everything_at_once, kKinds, kind) {
  const Interruptible interruptible;
  const ScratchDirectory scratch(mounted(kind));
  std::thread([] {}).join();  // a sanitizer starts its own thread with the first one
  World world(scratch.path(), choose_seed());
  make_kept(world);
  const InProcess before;
  const auto end = Clock::now() + duration(3);
  std::vector<std::string> wrong;
  for (unsigned number = 0; wrong.empty() && (number == 0 || Clock::now() < end); ++number) {
    run_round(world, number);
    check_whole(world);
    check_nothing_is_left(before, world.failures);
    wrong = world.failures.take();
  }
  for (const std::string& what : wrong) BOOST_ERROR(what);
  if (!wrong.empty()) {
    std::cout << "repeat: make check-one T=real/stress SEED=" << world.seed << std::endl;
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test::stress
