// SPDX-License-Identifier: LGPL-2.1-or-later
// Many processes and many threads on one volume at once. Ten seconds, or what
// QUBES_STORAGE_TEST_SECONDS says.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <random>
#include <thread>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "src/names.h"
#include "src/operation.h"
#include "src/pool.h"
#include "tests/support/files.h"
#include "tests/support/forwarding_filesystem.h"
#include "tests/support/loop_mount.h"
#include "tests/support/settings.h"

namespace qubes::storage {
namespace {

using test::ScratchDirectory;

constexpr const char* kVid = "appvms/work/private";
constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kBlocks = 16;

std::unique_ptr<Pool> open_pool(const std::string& path) {
  PoolConfig config;
  config.dir_path = path;
  config.setup_check = false;  // ext4
  return std::make_unique<Pool>(config, real_filesystem(), Worker::Mode::thread);
}

std::shared_ptr<Volume> open_volume(Pool& pool, const char* vid = kVid) {
  VolumeConfig config;
  config.size_bytes = kBlock * kBlocks;
  config.rw = true;
  config.save_on_stop = true;
  config.revisions_to_keep = 2;
  return pool.volume(vid, config);
}

// A pool with the volume in it; its path.
std::string make_pool(const ScratchDirectory& scratch) {
  std::string path = scratch / "pool";
  auto pool = open_pool(path);
  pool->setup();
  open_volume(*pool)->create();
  return path;
}

bool is_expected(const Error& error) {
  return error.code() == Code::busy || error.code() == Code::dirty ||
         error.code() == Code::not_found;
}

// Start, stop, resize, revert, at random, until the time is over. Returns what went wrong.
std::string hammer(Volume& volume, unsigned seed) {
  std::mt19937 random(seed);
  const auto end = std::chrono::steady_clock::now() + test::duration(10);
  while (std::chrono::steady_clock::now() < end) {
    const auto choice = random() % 5;
    try {
      switch (choice) {
        case 0:
          volume.start();
          break;
        case 1:
          volume.stop();
          break;
        case 2:
          volume.resize(kBlock * (1 + random() % kBlocks), true);
          break;
        case 3:
          volume.revert(0);
          break;
        default:
          volume.info();
          volume.revisions();
          break;
      }
    } catch (const Error& error) {
      if (!is_expected(error)) return error.what();
    }
  }
  return "";
}

// The volume is whole and can be used; nothing is left over.
void check_whole(Pool& pool, const std::string& path) {
  auto volume = open_volume(pool);
  volume->stop();
  pool.drain();
  BOOST_TEST(pool.recover().empty());
  for (const std::string& name :
       real_filesystem()->list(*real_filesystem()->open_directory(path + "/appvms/work"))) {
    auto parsed = parse_file_name(name);
    BOOST_TEST(parsed.has_value(), "foreign file " << name);
    if (parsed) BOOST_TEST((parsed->role != FileName::Role::temporary), "temporary " << name);
  }
  volume->verify();
  volume->start();
  test::write_at(volume->path(), 0, "whole");
  volume->stop();
  BOOST_TEST(volume->revisions().size() <= 2u);  // what was killed before it pruned left more
  BOOST_TEST(test::read_file(path + "/appvms/work/private.img").substr(0, 5) == "whole");
}

const FilesystemKind kKinds[] = {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4};

BOOST_AUTO_TEST_SUITE(exclusion)

BOOST_DATA_TEST_CASE(ten_processes_on_one_volume, kKinds, kind) {
  ScratchDirectory scratch(test::mounted(kind));
  const std::string path = make_pool(scratch);

  std::vector<pid_t> children;
  for (unsigned seed = 0; seed < 10; ++seed) {
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      auto pool = open_pool(path);
      const std::string wrong = hammer(*open_volume(*pool), seed);
      pool.reset();
      if (!wrong.empty()) std::fprintf(stderr, "process %u: %s\n", seed, wrong.c_str());
      _exit(wrong.empty() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    BOOST_TEST(status == 0);
  }
  check_whole(*open_pool(path), path);
}

BOOST_AUTO_TEST_CASE(ten_threads_on_one_volume) {
  ScratchDirectory scratch(test::mounted(FilesystemKind::xfs));
  const std::string path = make_pool(scratch);
  auto pool = open_pool(path);
  auto second_pool = open_pool(path);
  std::vector<std::string> wrong(10);
  {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 10; ++i) {
      auto& of = i % 2 == 0 ? *pool : *second_pool;
      threads.emplace_back([&, i, volume = open_volume(of)] { wrong[i] = hammer(*volume, i); });
    }
    for (auto& thread : threads) thread.join();
  }
  for (const std::string& what : wrong) BOOST_TEST(what == "");
  check_whole(*pool, path);
}

// Holds up each clone until it is told to go on.
class StalledFilesystem final : public ForwardingFilesystem {
 public:
  StalledFilesystem() : ForwardingFilesystem(real_filesystem()) {}

  bool clone(File& source, File& target, const Progress& progress) override {
    begun.set_value();
    go_on.get_future().wait();
    return ForwardingFilesystem::clone(source, target, progress);
  }

  std::promise<void> begun;
  std::promise<void> go_on;
};

// The child opens a pool of its own while a thread of its parent is at work. It waits for that as
// any other process does, and no longer.
BOOST_AUTO_TEST_CASE(a_forked_child_waits_for_its_parent) {
  ScratchDirectory scratch(test::mounted(FilesystemKind::xfs));
  const std::string path = make_pool(scratch);
  auto fs = std::make_shared<StalledFilesystem>();
  PoolConfig config;
  config.dir_path = path;
  config.precache = false;
  Pool pool(config, fs, Worker::Mode::thread);
  auto volume = open_volume(pool);
  volume->resize(kBlock * kBlocks * 2, false);  // so that there is no precache for the start
  int ends[2];
  BOOST_REQUIRE(pipe(ends) == 0);
  std::thread parent([&] { volume->start(); });
  fs->begun.get_future().wait();

  for (const char* vid : {kVid, "appvms/work/other"}) {
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child > 0) continue;
    alarm(20);
    auto own = open_pool(path);
    try {
      open_volume(*own, vid)->stop();
    } catch (const Error&) {
      // There is no other volume. It took the lock to see that.
    }
    _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
  }
  pollfd ended{ends[0], POLLIN, 0};
  BOOST_TEST(poll(&ended, 1, 500) == 0, "a child did not wait");
  fs->go_on.set_value();
  parent.join();
  for (int i = 0; i < 2; ++i) {
    int status = 0;
    wait(&status);
    BOOST_TEST(status == 0, "a child waited for ever");
  }
  close(ends[0]);
  close(ends[1]);
}

// Killed at a random moment, again and again; the survivors go on with what it left.
BOOST_DATA_TEST_CASE(killed_processes_leave_a_whole_volume, kKinds, kind) {
  ScratchDirectory scratch(test::mounted(kind));
  const std::string path = make_pool(scratch);
  std::mt19937 random(1);
  for (unsigned round = 0; round < 60; ++round) {
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      hammer(*open_volume(*open_pool(path)), round);
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 30000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    auto pool = open_pool(path);
    pool->recover();
    open_volume(*pool)->verify();
  }
  check_whole(*open_pool(path), path);
}

// The lock of the directory that the child has a copy of is its parent's, and so is the mutex.
BOOST_AUTO_TEST_CASE(a_forked_child_waits_for_the_operations_of_its_parent) {
  ScratchDirectory scratch(test::mounted(FilesystemKind::xfs));
  const std::string path = make_pool(scratch);
  const Location location(real_filesystem(), path, {"appvms", "work", "private"});
  auto operation =
      std::make_unique<Operation>(location, MissingDirectory::refuse, nullptr, nullptr);
  const pid_t child = fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);
    auto pool = open_pool(path);
    open_volume(*pool)->start();
    pool.reset();
    _exit(0);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  BOOST_TEST(waitpid(child, nullptr, WNOHANG) == 0);
  BOOST_TEST(!test::exists(path + "/appvms/work/private-dirty.img"));
  operation.reset();
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
  BOOST_TEST(test::exists(path + "/appvms/work/private-dirty.img"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage

#ifdef __SANITIZE_THREAD__
// Else it ends a forked child that starts threads of its own.
extern "C" const char* __tsan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "die_after_fork=0";
}
#endif
