// SPDX-License-Identifier: LGPL-2.1-or-later
// Loop devices take a new size of the file under them.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "src/fs/descriptor.h"
#include "tests/real/fs_place.h"
#include "tests/support/process.h"

namespace qubes::storage::test {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

// A loop device that is gone in the end.
class Loop {
 public:
  Loop(const std::string& file, const std::vector<std::string>& options = {}) {
    std::vector<std::string> command = {"losetup", "--find", "--show"};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(file);
    device_ = run_checked(command);
  }
  ~Loop() { run({"losetup", "--detach", device_}); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::uint64_t size_bytes() const {
    const UniqueFd fd = open_at(AT_FDCWD, device_.c_str(), O_RDONLY);
    std::uint64_t bytes = 0;
    BOOST_REQUIRE(::ioctl(fd.get(), BLKGETSIZE64, &bytes) == 0);
    return bytes;
  }

 private:
  std::string device_;
};

BOOST_AUTO_TEST_SUITE(fs_loop)

BOOST_DATA_TEST_CASE(every_device_over_the_inode_takes_the_size, kAllKinds, kind) {
  const Place place(kind);
  const FilePtr file = place.make("file", "");
  const FilePtr other_file = place.make("other", "");
  place.fs->set_size(*file, 4 * kMebibyte);
  place.fs->set_size(*other_file, 4 * kMebibyte);
  place.fs->link(*place.directory, "file", *place.directory, "second-name");
  const Loop whole(place / "file");
  const Loop by_second_name(place / "second-name", {"--read-only"});
  const Loop shifted(place / "file", {"--offset", "1048576"});
  const Loop limited(place / "file", {"--offset", "4096", "--sizelimit", "6291456"});
  const Loop other(place / "other");

  place.fs->set_size(*file, 8 * kMebibyte + 700);
  place.fs->set_size(*other_file, 8 * kMebibyte);
  BOOST_TEST(whole.size_bytes() == 4 * kMebibyte);
  BOOST_TEST(place.fs->refresh_loops(*file) == 4);
  BOOST_TEST(whole.size_bytes() == 8 * kMebibyte + 512);
  BOOST_TEST(by_second_name.size_bytes() == 8 * kMebibyte + 512);
  BOOST_TEST(shifted.size_bytes() == 7 * kMebibyte + 512);
  BOOST_TEST(limited.size_bytes() == 6 * kMebibyte);
  BOOST_TEST(other.size_bytes() == 4 * kMebibyte);

  place.fs->set_size(*file, kMebibyte / 2);
  BOOST_TEST(place.fs->refresh_loops(*file) == 4);
  BOOST_TEST(whole.size_bytes() == kMebibyte / 2);
  BOOST_TEST(shifted.size_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(device_is_found_after_the_name_has_gone) {
  const Place place(FilesystemKind::btrfs);
  const FilePtr file = place.make("file", "");
  place.fs->set_size(*file, kMebibyte);
  const Loop loop(place / "file");
  place.fs->unlink(*place.directory, "file");
  place.fs->set_size(*file, 2 * kMebibyte);
  BOOST_TEST(place.fs->refresh_loops(*file) == 1);
  BOOST_TEST(loop.size_bytes() == 2 * kMebibyte);
}

BOOST_AUTO_TEST_CASE(btrfs_subvolume_is_matched_by_its_own_device_number) {
  const Place place(FilesystemKind::btrfs);
  for (const char* const name : {"one", "two"}) {
    run_checked({"btrfs", "subvolume", "create", place / name});
    write_file(place / (std::string(name) + "/file"), std::string(kMebibyte, 'x'));
  }
  {
    const DirectoryPtr one = place.fs->open_directory(*place.directory, "one");
    const DirectoryPtr two = place.fs->open_directory(*place.directory, "two");
    const FilePtr file = place.fs->open_file(*one, "file", Access::read_write);
    const FilePtr twin = place.fs->open_file(*two, "file", Access::read_write);
    BOOST_TEST(place.fs->status(*file).inode == place.fs->status(*twin).inode);
    const Loop loop(place / "one/file");
    BOOST_TEST(place.fs->refresh_loops(*file) == 1);
    BOOST_TEST(place.fs->refresh_loops(*twin) == 0);
  }
  for (const char* const name : {"one", "two"}) {
    run_checked({"btrfs", "subvolume", "delete", place / name});
  }
}

BOOST_AUTO_TEST_CASE(no_device_is_no_error) {
  const Place place(FilesystemKind::xfs);
  BOOST_TEST(place.fs->refresh_loops(*place.make("file", "x")) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
