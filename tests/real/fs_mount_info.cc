// SPDX-License-Identifier: LGPL-2.1-or-later
// What is said about mounts: bind mounts, subvolumes, mounts over mounts, other users.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/fs/mount_info.h"
#include "tests/real/fs_place.h"
#include "tests/support/process.h"

namespace qubes::storage::test {
namespace {

class Mounted {
 public:
  Mounted(const std::vector<std::string>& arguments, std::string mount_point)
      : mount_point_(std::move(mount_point)) {
    std::vector<std::string> command = {"mount"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.push_back(mount_point_);
    run_checked(command);
  }
  ~Mounted() { ::umount2(mount_point_.c_str(), MNT_DETACH); }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

 private:
  std::string mount_point_;
};

std::string make_directory(const Place& place, const std::string& name) {
  place.fs->make_directory(*place.directory, name);
  return place / name;
}

std::uint64_t number_of(const std::string& device) {
  struct stat status {};
  BOOST_REQUIRE(::stat(device.c_str(), &status) == 0);
  return status.st_rdev;
}

BOOST_AUTO_TEST_SUITE(fs_mount_info)

BOOST_DATA_TEST_CASE(disk_is_described, kDiskKinds, kind) {
  const Place place(kind);
  const LoopMount& mount = mounted(kind);
  const MountInfo info = mount_info(place.scratch.path());
  std::ostringstream name;
  name << kind;
  BOOST_TEST(info.filesystem_type == name.str());
  BOOST_TEST(info.mount_point == mount.path());
  BOOST_TEST(info.device == mount.device());
  BOOST_TEST(info.device_number == number_of(mount.device()));
  BOOST_TEST(info.uuid.value() ==
             run_checked({"blkid", "-p", "-s", "UUID", "-o", "value", mount.device()}));
  BOOST_TEST(info.logical_sector_bytes.value() == 512u);
  BOOST_TEST(info.physical_sector_bytes.value() >= 512u);
}

BOOST_AUTO_TEST_CASE(tmpfs_has_no_device) {
  const MountInfo info = mount_info(mounted(FilesystemKind::other).path());
  BOOST_TEST(info.filesystem_type == "tmpfs");
  BOOST_TEST(info.device == "tmpfs");
  BOOST_TEST(info.device_number == 0u);
  BOOST_TEST(!info.uuid);
  BOOST_TEST(!info.logical_sector_bytes);
}

BOOST_AUTO_TEST_CASE(root_and_absent_paths) {
  BOOST_TEST(mount_info("/").mount_point == "/");
  BOOST_TEST(code_thrown([] { mount_info("/nonexistent/x"); }) == value(Code::not_found));
}

BOOST_DATA_TEST_CASE(bind_mount_is_where_it_is_seen, kDiskKinds, kind) {
  const Place place(kind);
  const std::string from = make_directory(place, "from");
  const std::string to = make_directory(place, "to with space");
  const Mounted bind({"--bind", from}, to);
  BOOST_TEST(mount_info(to).mount_point == to);
  BOOST_TEST(mount_info(to).device == mounted(kind).device());
  BOOST_TEST(mount_info(from).mount_point == mounted(kind).path());
}

BOOST_AUTO_TEST_CASE(symbolic_link_is_followed) {
  const Place place(FilesystemKind::xfs);
  BOOST_REQUIRE(::symlink("/", (place / "link").c_str()) == 0);
  BOOST_TEST(mount_info(place / "link").mount_point == "/");
}

BOOST_AUTO_TEST_CASE(latest_of_mounts_over_each_other_wins) {
  const Place place(FilesystemKind::xfs);
  const std::string at = make_directory(place, "at");
  const Mounted first({"-t", "tmpfs", "first"}, at);
  const Mounted second({"-t", "tmpfs", "second"}, at);
  BOOST_TEST(mount_info(at).device == "second");
}

BOOST_AUTO_TEST_CASE(btrfs_subvolume_has_the_device_of_the_whole) {
  const Place place(FilesystemKind::btrfs);
  const std::string device = mounted(FilesystemKind::btrfs).device();
  run_checked({"btrfs", "subvolume", "create", place / "sub"});
  const std::string at = make_directory(place, "at");
  {
    const std::string subvolume =
        (place / "sub").substr(mounted(FilesystemKind::btrfs).path().size());
    const Mounted mount({"-o", "subvol=" + subvolume, device}, at);
    BOOST_TEST(mount_info(at).mount_point == at);
    BOOST_TEST(mount_info(at).device_number == number_of(device));
    BOOST_TEST(mount_info(place / "sub").mount_point == mounted(FilesystemKind::btrfs).path());
    BOOST_TEST(mount_info(place / "sub").device_number == number_of(device));
  }
  run_checked({"btrfs", "subvolume", "delete", place / "sub"});
}

BOOST_AUTO_TEST_CASE(device_that_may_not_be_read_is_unknown_only) {
  const std::string path = mounted(FilesystemKind::xfs).path();
  BOOST_TEST(true_in_child([&] {
    // From within: the way to it is open to root only.
    if (::chdir(path.c_str()) != 0 || ::setresuid(65534, 65534, 65534) != 0) return false;
    const MountInfo info = mount_info(".");
    return info.filesystem_type == "xfs" && info.mount_point == path && info.device_number != 0 &&
           !info.uuid && !info.logical_sector_bytes;
  }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
