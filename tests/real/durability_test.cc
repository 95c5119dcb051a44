// SPDX-License-Identifier: LGPL-2.1-or-later
// What has answered is durable: after each operation, the device as it is that moment is mounted a
// second time, and holds it. (What the disk itself may still lose is the crash rig's.)
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <optional>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "src/pool.h"
#include "tests/support/files.h"
#include "tests/support/forwarding_filesystem.h"
#include "tests/support/loop_mount.h"

namespace qubes::storage {
namespace {

using test::LoopMount;

constexpr const char* kVid = "appvms/work/private";
constexpr std::uint64_t kSize = 1 << 20;

std::unique_ptr<Pool> open_pool(const std::string& path, Worker::Mode mode) {
  PoolConfig config;
  config.dir_path = path;
  config.setup_check = false;
  return std::make_unique<Pool>(config, real_filesystem(), mode);
}

std::shared_ptr<Volume> origin(Pool& pool, int revisions_to_keep = 1) {
  VolumeConfig config;
  config.size_bytes = kSize;
  config.rw = true;
  config.save_on_stop = true;
  config.revisions_to_keep = revisions_to_keep;
  return pool.volume(kVid, config);
}

// What a user finds after the power cut: recovered, and looked at.
struct AfterCrash {
  explicit AfterCrash(const LoopMount& mount)
      : image(mount.crash_image()),
        pool(open_pool(image->path() + "/pool", Worker::Mode::on_drain)),
        volume(origin(*pool)) {
    pool->recover();
  }

  bool has(const std::string& suffix) const { return test::exists(path(suffix)); }
  std::string content(const std::string& suffix) const {
    return test::read_file(path(suffix)).substr(0, 3);
  }
  std::string path(const std::string& suffix) const {
    return image->path() + "/pool/" + kVid + suffix;
  }

  std::unique_ptr<LoopMount> image;
  std::unique_ptr<Pool> pool;
  std::shared_ptr<Volume> volume;
};

struct Fixture {
  explicit Fixture(FilesystemKind kind)
      : mount(kind),
        pool(open_pool(mount.path() + "/pool", Worker::Mode::on_drain)),
        volume(origin(*pool)) {
    pool->setup();
  }

  // As a VM does it: what it has synced must survive.
  void write_session(const std::string& text) const {
    auto fs = real_filesystem();
    test::write_at(volume->path(), 0, text);
    auto directory = fs->open_directory(mount.path() + "/pool/appvms/work");
    fs->sync(*fs->open_file(*directory, "private-dirty.img", Access::read_write));
  }

  LoopMount mount;
  std::unique_ptr<Pool> pool;
  std::shared_ptr<Volume> volume;
};

const FilesystemKind kKinds[] = {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4};

BOOST_AUTO_TEST_SUITE(durability)

BOOST_DATA_TEST_CASE(sessions_and_revisions, kKinds, kind) {
  Fixture on(kind);
  on.volume->create();
  {
    AfterCrash after(on.mount);
    BOOST_TEST(after.volume->info().size_bytes.value() == kSize);
    BOOST_TEST(after.has(".img"));
  }
  for (const char* text : {"one", "two"}) {
    on.volume->start();
    {
      AfterCrash after(on.mount);
      BOOST_TEST(after.volume->info().is_dirty);
      BOOST_TEST(after.volume->info().size_bytes.value() == kSize);
    }
    on.write_session(text);
    {
      AfterCrash after(on.mount);
      BOOST_TEST(after.content("-dirty.img") == text);
    }
    on.volume->stop();
    {
      AfterCrash after(on.mount);
      BOOST_TEST(!after.volume->info().is_dirty);
      BOOST_TEST(after.content(".img") == text);
      BOOST_TEST(!after.volume->revisions().empty());
    }
    on.pool->drain();
  }
  on.volume->revert(0);
  {
    AfterCrash after(on.mount);
    BOOST_TEST(after.content(".img") == "one");
    after.volume->revert(0);
    BOOST_TEST(after.content(".img") == "two");
  }
  on.volume->start();
  on.write_session("six");
  on.volume->discard();
  {
    AfterCrash after(on.mount);
    BOOST_TEST(!after.volume->info().is_dirty);
    BOOST_TEST(after.content(".img") == "one");
  }
}

BOOST_DATA_TEST_CASE(resize_import_and_remove, kKinds, kind) {
  Fixture on(kind);
  on.volume->import_begin(kSize);
  test::write_at(on.volume->import_path(), 0, "new");
  on.volume->import_end(true);  // makes the VM's directory as well
  BOOST_TEST(AfterCrash(on.mount).content(".img") == "new");
  on.volume->resize(2 * kSize, false);
  BOOST_TEST(AfterCrash(on.mount).volume->info().size_bytes.value() == 2 * kSize);
  on.pool->drain();
  on.volume->resize(kSize / 2, true);
  {
    AfterCrash after(on.mount);
    BOOST_TEST(after.volume->info().size_bytes.value() == kSize / 2);
    BOOST_TEST(after.volume->revisions().back().size_bytes == 2 * kSize);
  }
  on.volume->start();
  on.volume->resize(3 * kSize, false);
  BOOST_TEST(AfterCrash(on.mount).volume->info().size_bytes.value() == 3 * kSize);
  on.volume->prune(0);
  BOOST_TEST(AfterCrash(on.mount).volume->revisions().empty());
  on.volume->remove();
  BOOST_TEST(!test::exists(AfterCrash(on.mount).image->path() + "/pool/appvms/work"));
}

BOOST_DATA_TEST_CASE(snapshots_disabled, kKinds, kind) {
  Fixture on(kind);
  on.volume->create();
  on.volume->set_revisions_to_keep(-1);
  on.volume->start();
  on.write_session("one");
  {
    AfterCrash after(on.mount);
    BOOST_TEST(after.content("-dirty.img") == "one");
    after.volume->stop();  // with another revisions_to_keep
    BOOST_TEST(after.content(".img") == "one");
  }
  test::write_at(on.volume->path(), 0, "two");  // not synced by the VM
  on.volume->stop();
  BOOST_TEST(AfterCrash(on.mount).content(".img") == "two");
}

// Its first sync of a file fails, as a disk makes it fail.
class FailingFilesystem final : public ForwardingFilesystem {
 public:
  FailingFilesystem() : ForwardingFilesystem(real_filesystem()) {}
  using ForwardingFilesystem::sync;

  void sync(File& file) override {
    if (std::exchange(fails, false)) throw_errno(EIO, "sync", "");
    ForwardingFilesystem::sync(file);
  }

  bool fails = false;
};

// A file gets the number of an inode that is free again.
BOOST_AUTO_TEST_CASE(a_session_is_not_taken_for_one_that_was_lost) {
  LoopMount mount(FilesystemKind::xfs);
  auto fs = std::make_shared<FailingFilesystem>();
  PoolConfig config;
  config.dir_path = mount.path() + "/pool";
  Pool pool(config, fs, Worker::Mode::on_drain);
  pool.setup();
  auto volume = origin(pool);
  volume->create();
  const auto inode = [&] {
    auto directory = fs->open_directory(mount.path() + "/pool/appvms/work");
    return fs->status(*directory, "private-dirty.img")->inode;
  };
  volume->start();
  const auto lost = inode();
  fs->fails = true;
  BOOST_CHECK_THROW(volume->stop(), Error);
  volume->discard();
  bool is_again = false;
  for (int i = 0; i < 20 && !is_again; ++i) {
    pool.drain();
    volume->start();
    is_again = inode() == lost;
    test::write_at(volume->path(), 0, std::to_string(i));
    BOOST_CHECK_NO_THROW(volume->stop());
  }
  BOOST_TEST(is_again);  // else this test shows nothing
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
