// SPDX-License-Identifier: LGPL-2.1-or-later
// Precaches that are still being made, on real filesystems, with real threads; who sees and who
// waits for them.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <mutex>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "src/pool.h"
#include "tests/support/forwarding_filesystem.h"
#include "tests/support/loop_mount.h"

namespace qubes::storage::test::background {

constexpr FilesystemKind kReflinking[] = {FilesystemKind::xfs, FilesystemKind::btrfs};
constexpr std::uint64_t kSize = 512 << 20;  // several pieces
constexpr const char* kOrigin = "vm-templates/deb/root";
constexpr const char* kSnapshot = "appvms/work/root";

// Holds each shared clone after its first piece until it is let go, and counts what is made.
class HoldingFilesystem final : public ForwardingFilesystem {
 public:
  HoldingFilesystem() : ForwardingFilesystem(real_filesystem()) {}

  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override {
    bool is_first = from == 0;
    return inner().clone_shared(source, target, from, [&](std::uint64_t done, auto total) {
      if (std::exchange(is_first, false)) hold();
      progress(done, total);
    });
  }

  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override {
    std::lock_guard guard(mutex_);
    ++made_;
    return inner().create_unnamed(directory, final_name);
  }

  // What `body` does comes just before the next link, on the thread that makes it.
  void before_next_link(std::function<void()> body) {
    std::lock_guard guard(mutex_);
    before_link_ = std::move(body);
  }
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override {
    std::function<void()> body;
    {
      std::lock_guard guard(mutex_);
      body.swap(before_link_);
    }
    if (body) body();
    inner().link(from_directory, from, to_directory, to);
  }

  void begin_to_hold() {
    std::lock_guard guard(mutex_);
    holds_ = true;
    made_ = 0;
  }
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_held_; });
  }
  void let_go() {
    std::lock_guard guard(mutex_);
    holds_ = false;
    changed_.notify_all();
  }
  int made() {
    std::lock_guard guard(mutex_);
    return made_;
  }

 private:
  void hold() {
    std::unique_lock lock(mutex_);
    is_held_ = holds_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !holds_; });
    is_held_ = false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool holds_ = false;
  bool is_held_ = false;
  int made_ = 0;
  std::function<void()> before_link_;
};

// One without unnamed files (NFS, OCFS2), which can reflink: each has the name of a temporary from
// the beginning.
class NamingFilesystem final : public ForwardingFilesystem {
 public:
  NamingFilesystem() : ForwardingFilesystem(real_filesystem()) {}

  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override {
    FilePtr file = inner().create_unnamed(directory, final_name);
    std::string name = inner().link_temporary(*file, directory, final_name);
    std::lock_guard guard(mutex_);
    names_[inner().status(*file).inode] = std::move(name);
    return file;
  }
  std::string link_temporary(File& file, const Directory&, const std::string&) override {
    return name_of(file);
  }
  void link_unnamed(File& file, const Directory& directory, const std::string& name) override {
    inner().rename(directory, name_of(file), name);
  }
  // Of what has no lock: until somebody has removed its name, or it has lasted long enough.
  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override {
    if (waits_.exchange(false)) {
      begun.set_value();
      for (int i = 0; i < 50 && inner().status(target).link_count > 0; ++i) usleep(100'000);
    }
    return inner().clone_shared(source, target, from, progress);
  }
  void wait_in_next_clone() { waits_ = true; }

  std::promise<void> begun;

 private:
  std::string name_of(const File& file) {
    std::lock_guard guard(mutex_);
    return names_[inner().status(file).inode];
  }

  std::mutex mutex_;
  std::map<std::uint64_t, std::string> names_;  // by inode
  std::atomic<bool> waits_ = false;
};

struct Background {
  explicit Background(FilesystemKind kind) : disk(kind), fs(std::make_shared<HoldingFilesystem>()) {
    PoolConfig config;
    config.dir_path = disk.path() + "/pool";
    pool = std::make_unique<Pool>(config, fs, Worker::Mode::thread);
    pool->setup();
    VolumeConfig of_origin;
    of_origin.size_bytes = kSize;
    of_origin.save_on_stop = true;
    origin = pool->volume(kOrigin, of_origin);
    VolumeConfig of_snapshot;
    of_snapshot.snap_on_start = true;
    of_snapshot.source = kOrigin;
    snapshot = pool->volume(kSnapshot, of_snapshot);
    origin->create();
    session("one");
    pool->drain();
  }

  void session(const std::string& text) {
    origin->start();
    std::fstream(file(kOrigin, "-dirty.img"), std::ios::in | std::ios::out) << text;
    origin->stop();
  }

  std::string file(const std::string& vid, const std::string& ending) const {
    return disk.path() + "/pool/" + vid + ending;
  }

  std::string text(const std::string& vid, const std::string& ending) const {
    std::string found(3, '\0');
    std::ifstream(file(vid, ending)).read(found.data(), 3);
    return found;
  }

  LoopMount disk;
  std::shared_ptr<HoldingFilesystem> fs;
  std::unique_ptr<Pool> pool;
  std::shared_ptr<Volume> origin;
  std::shared_ptr<Volume> snapshot;
};

static ino_t inode_of(const std::string& path) {
  struct stat status {};
  BOOST_REQUIRE_MESSAGE(::stat(path.c_str(), &status) == 0, path);
  return status.st_ino;
}

BOOST_AUTO_TEST_SUITE(background)

BOOST_DATA_TEST_CASE(a_start_takes_over_a_half_made_precache, kReflinking, kind) {
  Background at(kind);
  at.session("two");
  at.pool->drain();
  at.fs->begin_to_hold();
  at.session("six");  // begins with the precache; its stop has another made
  at.fs->wait_until_held();
  auto start = std::async(std::launch::async, [&] { at.origin->start(); });
  // It waits for the end of the piece. Should it come later than this, it takes over more.
  BOOST_TEST((start.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout));
  at.fs->let_go();
  start.get();
  BOOST_TEST(at.fs->made() == 1);
  BOOST_TEST(at.text(kOrigin, "-dirty.img") == "six");
  BOOST_TEST(at.origin->info().size_bytes.value() == kSize);
  at.origin->stop();
  at.pool->drain();
  BOOST_TEST(at.origin->revisions().size() == 1u);  // nothing was written: none more
}

BOOST_DATA_TEST_CASE(the_pool_says_what_waits_and_what_runs, kReflinking, kind) {
  Background at(kind);
  BOOST_TEST(at.pool->info().background.running == 0u);
  at.fs->begin_to_hold();
  at.session("two");
  at.fs->wait_until_held();
  BOOST_TEST(at.pool->info().background.running == 1u);
  const auto waiting = at.pool->info().background.waiting;
  at.snapshot->start();
  at.snapshot->stop();  // a precache to make, and blocks to free
  BOOST_TEST(at.pool->info().background.waiting > waiting);
  auto drain = std::async(std::launch::async, [&] { at.pool->drain(); });
  BOOST_TEST((drain.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout));
  at.fs->let_go();
  drain.get();
  BOOST_TEST(at.pool->info().background.running == 0u);
  BOOST_TEST(at.pool->info().background.waiting == 0u);
}

BOOST_DATA_TEST_CASE(the_end_of_the_pool_waits_for_the_background, kReflinking, kind) {
  Background at(kind);
  at.fs->begin_to_hold();
  at.session("two");
  at.fs->wait_until_held();
  BOOST_TEST(::access(at.file(kOrigin, "-precache.img").c_str(), F_OK) == -1);
  auto end = std::async(std::launch::async, [&] { at.pool.reset(); });
  BOOST_TEST((end.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout));
  at.fs->let_go();
  end.get();
  BOOST_TEST(at.text(kOrigin, "-precache.img") == "two");
}

// Files that are open here and lie on the disk.
static std::vector<std::string> open_files(const std::string& disk) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.starts_with(disk + "/")) found.push_back(target);
  }
  return found;
}

// Its blocks must not stay until the pool is closed.
BOOST_DATA_TEST_CASE(a_clone_for_a_volume_that_is_gone_is_let_go, kReflinking, kind) {
  Background at(kind);
  PoolConfig config;
  config.dir_path = at.disk.path() + "/pool";
  Pool other(config, real_filesystem(), Worker::Mode::thread);
  VolumeConfig of_origin;
  of_origin.save_on_stop = true;
  at.fs->begin_to_hold();
  at.session("two");
  at.fs->wait_until_held();
  other.volume(kOrigin, of_origin)->remove();
  other.drain();
  at.fs->let_go();
  at.pool->drain();
  BOOST_TEST(open_files(at.disk.path()) == std::vector<std::string>(),
             boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_commit_does_not_wait_for_a_precache_in_the_making, kReflinking, kind) {
  Background at(kind);
  at.fs->begin_to_hold();
  at.session("two");
  at.fs->wait_until_held();
  at.origin->revert(0);
  BOOST_TEST(at.text(kOrigin, ".img") == "one");
  at.fs->let_go();
  at.pool->drain();
  BOOST_TEST(at.text(kOrigin, "-precache.img") == "one");
}

BOOST_DATA_TEST_CASE(a_snapshot_starts_by_a_rename, kReflinking, kind) {
  Background at(kind);
  at.snapshot->start();
  at.snapshot->stop();
  at.pool->drain();
  const ino_t precache = inode_of(at.file(kSnapshot, "-precache.img"));
  at.snapshot->start();
  BOOST_TEST(inode_of(at.file(kSnapshot, "-dirty.img")) == precache);
  BOOST_TEST(at.text(kSnapshot, "-dirty.img") == "one");
  BOOST_TEST(!at.snapshot->info().is_outdated);
  at.session("two");
  BOOST_TEST(at.snapshot->info().is_outdated);
  at.snapshot->stop();
  at.pool->drain();
  at.session("six");
  at.snapshot->start();
  BOOST_TEST(at.text(kSnapshot, "-dirty.img") == "six");
}

BOOST_DATA_TEST_CASE(what_was_removed_gets_no_precache, kReflinking, kind) {
  Background at(kind);
  VolumeConfig of_volatile;
  of_volatile.size_bytes = kSize;
  auto neighbour = at.pool->volume("appvms/work/volatile", of_volatile);
  neighbour->start();  // keeps the directory
  at.snapshot->start();
  at.fs->begin_to_hold();
  at.session("two");
  at.fs->wait_until_held();
  at.snapshot->stop();  // its precache waits for the worker
  at.snapshot->remove();
  at.fs->let_go();
  at.pool->drain();
  BOOST_TEST(::access(at.file(kSnapshot, ".img").c_str(), F_OK) == -1);
  BOOST_TEST(::access(at.file(kSnapshot, "-precache.img").c_str(), F_OK) == -1);
  neighbour->stop();
}

// Its clone is then of a state that is not the source's any more: a clone without C is nothing.
BOOST_DATA_TEST_CASE(a_precache_whose_source_was_committed_meanwhile_is_dropped, kReflinking,
                     kind) {
  Background at(kind);
  at.snapshot->start();
  at.fs->before_next_link([&] { at.session("two"); });
  at.snapshot->stop();
  at.pool->drain();
  BOOST_TEST(::access(at.file(kSnapshot, ".img").c_str(), F_OK) == -1);
  BOOST_TEST(::access(at.file(kSnapshot, "-precache.img").c_str(), F_OK) == -1);
  at.snapshot->start();
  BOOST_TEST(at.text(kSnapshot, "-dirty.img") == "two");
  at.fs->before_next_link([] { refuse(Code::io, "link", "", "a test"); });
  at.snapshot->stop();
  at.pool->drain();
  BOOST_TEST(::access(at.file(kSnapshot, "-precache.img").c_str(), F_OK) == -1);
  BOOST_TEST(at.pool->recover().empty());
}

// The origin is started in place while a precache of the snapshot is in the making, to which
// something has happened.
void start_in_place_beside_a_precache(Background& at, const std::function<void()>& happened) {
  at.snapshot->start();
  at.origin->set_revisions_to_keep(-1);
  at.fs->begin_to_hold();
  at.snapshot->stop();
  at.fs->wait_until_held();
  happened();
  auto start = std::async(std::launch::async, [&] { at.origin->start(); });
  BOOST_TEST((start.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout));
  at.fs->let_go();
  start.get();
  BOOST_TEST(at.origin->info().is_started);
}

BOOST_DATA_TEST_CASE(a_start_in_place_is_not_kept_out_by_a_precache_in_the_making, kReflinking,
                     kind) {
  Background at(kind);
  start_in_place_beside_a_precache(at, [] {});
  at.pool->drain();
  BOOST_CHECK_THROW(at.snapshot->start(), Error);  // nothing is committed now
}

BOOST_DATA_TEST_CASE(nor_by_one_that_nobody_wants_any_more, kReflinking, kind) {
  Background at(kind);
  start_in_place_beside_a_precache(at, [&] { at.snapshot->remove(); });
}

// The sweep of the start removes whatever has a temporary name.
BOOST_AUTO_TEST_CASE(a_start_does_not_take_over_what_it_has_swept) {
  LoopMount disk(FilesystemKind::xfs);
  auto fs = std::make_shared<NamingFilesystem>();
  PoolConfig config;
  config.dir_path = disk.path() + "/pool";
  Pool pool(config, fs, Worker::Mode::thread);
  pool.setup();
  VolumeConfig saved;
  saved.size_bytes = 1 << 20;
  saved.save_on_stop = true;
  auto volume = pool.volume(kOrigin, saved);
  volume->create();
  pool.drain();
  volume->start();
  std::fstream(volume->path(), std::ios::in | std::ios::out) << "one";
  fs->wait_in_next_clone();
  volume->stop();
  fs->begun.get_future().wait_for(std::chrono::seconds(2));
  BOOST_CHECK_NO_THROW(volume->start());
  BOOST_TEST(volume->info().is_dirty);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace qubes::storage::test::background
