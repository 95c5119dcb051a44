// SPDX-License-Identifier: LGPL-2.1-or-later
// A full filesystem: a typed error, the old state and the session intact, and it goes on once there
// is room.
#include <fcntl.h>
#include <unistd.h>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <filesystem>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "src/pool.h"
#include "tests/support/files.h"
#include "tests/support/loop_mount.h"

namespace qubes::storage {
namespace {

using test::LoopMount;

constexpr const char* kVid = "appvms/work/private";
constexpr std::uint64_t kMiB = 1 << 20;

// A small filesystem of its own for each test, as nothing else must write to it.
struct FullDisk {
  explicit FullDisk(FilesystemKind kind) : mount(kind) {
    PoolConfig config;
    config.dir_path = mount.path() + "/pool";
    config.setup_check = false;
    pool = std::make_unique<Pool>(config, real_filesystem(), Worker::Mode::on_drain);
    pool->setup();
    volume = origin(kVid);
    volume->create();
    pool->drain();
  }

  std::shared_ptr<Volume> origin(const std::string& vid) {
    VolumeConfig config;
    config.size_bytes = 64 * kMiB;
    config.rw = true;
    config.save_on_stop = true;
    return pool->volume(vid, config);
  }

  // Until neither a byte nor a small file fits: several passes, as space comes back in the
  // background.
  void fill() {
    test::take_room(next_filler());
    for (int pass = 0; pass < 3; ++pass) {
      for (std::size_t piece = 4 * kMiB; piece >= 1;
           piece = piece > 4096 ? piece / 16 : piece / 4096) {
        const std::string bytes(piece, 'f');
        const int fd = ::open(next_filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) break;
        while (::write(fd, bytes.data(), bytes.size()) > 0) {
        }
        ::fsync(fd);
        ::close(fd);
      }
    }
    BOOST_TEST(!has_room());
  }

  std::string next_filler() { return mount.path() + "/filler" + std::to_string(fillers++); }

  // Whether a new file can hold one byte, and be synced.
  bool has_room() {
    const std::string name = mount.path() + "/probe";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool written = ::write(fd, "x", 1) == 1 && ::fsync(fd) == 0;
    ::close(fd);
    std::filesystem::remove(name);
    return written;
  }

  void make_room() {
    for (int i = 0; i < fillers; ++i) {
      std::filesystem::remove(mount.path() + "/filler" + std::to_string(i));
    }
    ::sync();
  }

  std::string file(const std::string& suffix) const {
    return mount.path() + "/pool/" + kVid + suffix;
  }

  LoopMount mount;
  std::unique_ptr<Pool> pool;
  std::shared_ptr<Volume> volume;
  int fillers = 0;
};

// 32 MiB that start with "new", on another filesystem.
std::string import_source() {
  std::string path = test::mounted(FilesystemKind::xfs).path() + "/import-source";
  test::write_file(path, "new" + std::string(32 * kMiB, 's'));
  return path;
}

const FilesystemKind kKinds[] = {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4};

template <typename Operation>
void check_no_space(Operation&& operation) {
  try {
    operation();
    BOOST_ERROR("there was room");
  } catch (const Error& error) {
    BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(Code::no_space), error.what());
  }
}

BOOST_AUTO_TEST_SUITE(full_disk)

BOOST_DATA_TEST_CASE(stop_and_discard_need_no_room, kKinds, kind) {
  FullDisk disk(kind);
  disk.volume->start();
  test::write_at(disk.volume->path(), 0, "one");
  disk.fill();
  disk.volume->stop();
  BOOST_TEST(test::read_file(disk.file(".img")).substr(0, 3) == "one");
  BOOST_TEST(disk.volume->revisions().size() == 1u);
  disk.pool->drain();

  disk.make_room();
  disk.volume->start();
  test::write_at(disk.volume->path(), 0, "two");
  disk.fill();
  disk.volume->discard();
  BOOST_TEST(test::read_file(disk.file(".img")).substr(0, 3) == "one");
}

BOOST_DATA_TEST_CASE(an_import_that_does_not_fit_changes_nothing, kKinds, kind) {
  FullDisk disk(kind);
  disk.volume->start();
  test::write_at(disk.volume->path(), 0, "one");
  disk.volume->stop();
  disk.pool->drain();
  const std::string source = import_source();
  disk.fill();
  const auto revisions = disk.volume->revisions().size();
  auto import = [&] {
    const int fd = ::open(source.c_str(), O_RDONLY | O_CLOEXEC);
    auto file = real_filesystem()->duplicate(fd);
    ::close(fd);
    disk.volume->import_file(std::move(file), std::nullopt, nullptr);
  };
  check_no_space(import);
  BOOST_TEST(!test::exists(disk.file("-import.img")));
  BOOST_TEST(test::read_file(disk.file(".img")).substr(0, 3) == "one");
  BOOST_TEST(disk.volume->revisions().size() == revisions);
  disk.make_room();
  import();
  BOOST_TEST(test::read_file(disk.file(".img")).substr(0, 3) == "new");
  std::filesystem::remove(source);
}

BOOST_DATA_TEST_CASE(what_does_not_fit_leaves_nothing, kKinds, kind) {
  FullDisk disk(kind);
  disk.volume->start();
  test::write_at(disk.volume->path(), 0, std::string(8 * kMiB, 'x'));
  disk.volume->stop();
  disk.pool->drain();
  disk.fill();
  auto next = disk.origin("appvms/other/private");
  try {
    next->create();
    next->remove();
  } catch (const Error& error) {
    BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(Code::no_space), error.what());
    BOOST_TEST(!test::exists(disk.mount.path() + "/pool/appvms/other"));
  }
  if (kind == FilesystemKind::ext4) {  // without reflink a start copies
    check_no_space([&] { disk.volume->start(); });
    BOOST_TEST(!disk.volume->info().is_started);
  }
  disk.make_room();
  disk.volume->start();
  disk.volume->discard();
  next->create();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
