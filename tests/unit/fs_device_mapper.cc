// SPDX-License-Identifier: LGPL-2.1-or-later
// Finding an LVM thin pool in directories that imitate sysfs.
#include <sys/sysmacros.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "src/fs/device_mapper.h"
#include "tests/support/loop_mount.h"

namespace qubes::storage {
namespace {

namespace fs = std::filesystem;

// As the kernel lays it out: devices in one place, symbolic links to them everywhere else.
class FakeSysfs {
 public:
  std::string path() const { return root_.path(); }

  void add_device(const std::string& number, const std::string& name, const std::string& dm_name,
                  const std::vector<std::string>& slaves) {
    const fs::path device = fs::path(path()) / "devices" / name;
    fs::create_directories(device / "slaves");
    if (!dm_name.empty()) {
      fs::create_directories(device / "dm");
      std::ofstream(device / "dm/name") << dm_name << '\n';
    }
    for (const std::string& slave : slaves) {
      fs::create_directory_symlink("../../" + slave, device / "slaves" / slave);
    }
    add_number(number, name);
  }

  void add_partition(const std::string& number, const std::string& disk, const std::string& name) {
    const fs::path device = fs::path(path()) / "devices" / disk / name;
    fs::create_directories(device);
    std::ofstream(device / "partition") << "1\n";
    add_number(number, disk + '/' + name);
  }

 private:
  void add_number(const std::string& number, const std::string& device) {
    fs::create_directories(fs::path(path()) / "dev/block");
    fs::create_directory_symlink("../../devices/" + device,
                                 fs::path(path()) / "dev/block" / number);
  }

  test::ScratchDirectory root_{fs::temp_directory_path()};
};

std::string found(const FakeSysfs& sysfs, unsigned minor_number) {
  const auto pool = thin_pool_under(makedev(253, minor_number), sysfs.path());
  return pool ? pool->volume_group + '/' + pool->pool : "none";
}

// The pool under a device that lies right on a device-mapper device of this name.
std::string found_on(const std::string& dm_name) {
  FakeSysfs sysfs;
  sysfs.add_device("253:0", "dm-0", "top", {"dm-1"});
  sysfs.add_device("253:1", "dm-1", dm_name, {});
  return found(sysfs, 0);
}

BOOST_AUTO_TEST_SUITE(fs_device_mapper)

BOOST_AUTO_TEST_CASE(found_at_any_depth) {
  FakeSysfs sysfs;
  sysfs.add_device("253:0", "dm-0", "luks-1234", {"dm-1"});
  sysfs.add_device("253:1", "dm-1", "qubes_dom0-vm--pool--data", {"dm-2"});
  sysfs.add_device("253:2", "dm-2", "qubes_dom0-pool00-tpool", {"dm-3", "dm-4"});
  sysfs.add_device("253:3", "dm-3", "qubes_dom0-pool00_tmeta", {"sda"});
  sysfs.add_device("253:4", "dm-4", "qubes_dom0-pool00_tdata", {"sda"});
  sysfs.add_device("8:0", "sda", "", {});
  BOOST_TEST(found(sysfs, 0) == "qubes_dom0/pool00");
  BOOST_TEST(found(sysfs, 1) == "qubes_dom0/pool00");
  BOOST_TEST(found(sysfs, 2) == "qubes_dom0/pool00");
  BOOST_TEST(found(sysfs, 4) == "none");
}

BOOST_AUTO_TEST_CASE(found_behind_the_second_slave) {
  FakeSysfs sysfs;
  sysfs.add_device("253:0", "dm-0", "mirror", {"sda", "dm-1"});
  sysfs.add_device("253:1", "dm-1", "vg-p-tpool", {});
  sysfs.add_device("8:0", "sda", "", {});
  BOOST_TEST(found(sysfs, 0) == "vg/p");
}

BOOST_AUTO_TEST_CASE(found_under_a_partition) {
  FakeSysfs sysfs;
  sysfs.add_device("253:1", "dm-1", "vg-p-tpool", {});
  sysfs.add_device("9:0", "md0", "", {"dm-1"});
  sysfs.add_partition("253:9", "md0", "md0p1");
  BOOST_TEST(found(sysfs, 9) == "vg/p");
}

BOOST_AUTO_TEST_CASE(doubled_dashes_are_undone) {
  BOOST_TEST(found_on("my--vg-my--pool-tpool") == "my-vg/my-pool");
  BOOST_TEST(found_on("a----b-c-tpool") == "a--b/c");
  BOOST_TEST(found_on("a---b-tpool") == "a-/b");
}

BOOST_AUTO_TEST_CASE(other_names_are_no_pools) {
  for (const char* const name : {"vg-tpool", "-tpool", "a-b-c-tpool", "vg--pool-tpool", "vg-pool",
                                 "vg-pool-tpool-real", "-p-tpool", "vg--tpool", ""}) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(found_on(name) == "none");
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_there_is_no_error) {
  const FakeSysfs sysfs;
  BOOST_TEST(found(sysfs, 7) == "none");
  BOOST_TEST(!thin_pool_under(0, sysfs.path()));
  BOOST_TEST(!thin_pool_under(makedev(253, 0), "/nonexistent"));
}

BOOST_AUTO_TEST_CASE(circle_ends) {
  FakeSysfs sysfs;
  sysfs.add_device("253:0", "dm-0", "a", {"dm-1"});
  sysfs.add_device("253:1", "dm-1", "b", {"dm-0"});
  BOOST_TEST(found(sysfs, 0) == "none");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
