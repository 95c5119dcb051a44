// SPDX-License-Identifier: LGPL-2.1-or-later
// What the crash models allow, on the smallest examples of docs/CRASH_MODEL.md.
#include "tests/simulation/crash.h"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "tests/simulation/normal_form.h"

namespace qubes::storage::simulation {
namespace {

// All directories' names after each power cut, a set of "name=content" lists.
std::set<std::string> after_power_cut(const Disk& disk, const CrashModel& model) {
  std::set<std::string> result;
  for_each_crash(disk, model, [&](CrashState& state) {
    if (state.kind != CrashKind::power_cut) return;
    std::string text;
    for (const Entry& entry : state.disk.memory) {
      const Inode& inode = state.disk.inodes[entry.inode];
      text += info(entry.name).text + (inode.is_directory ? "" : "=" + inode.now.text()) + ' ';
    }
    result.insert(text);
  });
  return result;
}

using Set = std::set<std::string>;

Disk with_file(const std::string& name, Symbol symbol) {
  Disk disk;
  const InodeNumber file = disk.create(false);
  disk.set_content(file, filled(1, symbol));
  disk.link(kRoot, name, file);
  disk.settle_all();
  return disk;
}

BOOST_AUTO_TEST_CASE(ordered_names_become_durable_as_a_prefix) {
  Disk disk = with_file("a", 1);
  disk.link(kRoot, "b", disk.lookup(kRoot, intern("a")));
  disk.unlink(kRoot, "a");
  const Set found = after_power_cut(disk, model_of("xfs"));
  BOOST_TEST((found == Set{"a=[1] ", "a=[1] b=[1] ", "b=[1] "}));
}

BOOST_AUTO_TEST_CASE(unordered_names_become_durable_as_any_subset) {
  Disk disk = with_file("a", 1);
  disk.link(kRoot, "b", disk.lookup(kRoot, intern("a")));
  disk.unlink(kRoot, "a");
  const Set found = after_power_cut(disk, model_of("btrfs"));
  BOOST_TEST((found == Set{"a=[1] ", "a=[1] b=[1] ", "b=[1] ", ""}));
}

BOOST_AUTO_TEST_CASE(a_synced_directory_keeps_its_names) {
  for (const char* filesystem : {"xfs", "btrfs", "ext4", "other"}) {
    Disk disk = with_file("a", 1);
    disk.rename(kRoot, "a", "b");
    disk.sync_directory(model_of(filesystem), kRoot);
    BOOST_TEST((after_power_cut(disk, model_of(filesystem)) == Set{"b=[1] "}));
  }
}

BOOST_AUTO_TEST_CASE(unsynced_content_is_any_mixture_and_synced_content_stays) {
  Disk disk = with_file("a", 1);
  const InodeNumber file = disk.lookup(kRoot, intern("a"));
  disk.now_ns += kTickNs;
  disk.set_content(file, filled(2, 2));
  const Set found = after_power_cut(disk, model_of("ext4"));
  BOOST_TEST(
      (found == Set{"a=[1] ", "a=[2] ", "a=[0] ", "a=[1 0] ", "a=[2 2] ", "a=[0 0] ", "a=[2 0] "}));
  disk.sync_file(model_of("ext4"), file);
  BOOST_TEST((after_power_cut(disk, model_of("ext4")) == Set{"a=[2 2] "}));
}

BOOST_AUTO_TEST_CASE(the_sync_of_an_unnamed_file_counts_only_where_it_does) {
  for (const char* filesystem : {"xfs", "btrfs"}) {
    const CrashModel model = model_of(filesystem);
    Disk disk;
    const InodeNumber file = disk.create(false);
    disk.set_content(file, filled(1, 1));
    disk.sync_file(model, file);
    disk.link(kRoot, "a", file);
    disk.sync_directory(model, kRoot);
    const Set found = after_power_cut(disk, model);
    BOOST_TEST((found == Set{"a=[1] "}) == model.unnamed_sync_counts);
  }
}

BOOST_AUTO_TEST_CASE(a_sync_that_failed_is_not_made_good_by_the_next) {
  const CrashModel model = model_of("xfs");
  Disk disk = with_file("a", 1);
  const InodeNumber file = disk.lookup(kRoot, intern("a"));
  disk.set_content(file, filled(1, 2));
  disk.fail_sync(file);
  disk.sync_file(model, file);
  BOOST_TEST((after_power_cut(disk, model).count("a=[1] ") == 1));
}

BOOST_AUTO_TEST_CASE(content_of_a_clone_does_not_change_without_its_mtime) {
  const CrashModel model = model_of("xfs");
  Disk disk = with_file("a", 1);
  const InodeNumber file = disk.lookup(kRoot, intern("a"));
  disk.inodes[file].shares_blocks = true;
  const std::int64_t before = disk.inodes[file].mtime_ns;
  disk.now_ns += kTickNs;
  disk.set_content(file, filled(1, 2));
  for_each_crash(disk, model, [&](CrashState& state) {
    const Inode& inode = state.disk.inodes[file];
    BOOST_TEST((inode.now == filled(1, 1) || inode.mtime_ns != before));
  });
}

// Break c of docs/ORDERING.md: only where the replaced inode has another name.
BOOST_AUTO_TEST_CASE(a_rename_may_lose_its_target_where_that_is_linked) {
  for (const bool is_linked : {false, true}) {
    Disk disk = with_file("a", 1);
    const InodeNumber fresh = disk.create(false);
    disk.link(kRoot, "b", fresh);
    if (is_linked) disk.link(kRoot, "r", disk.lookup(kRoot, intern("a")));
    disk.settle_all();
    disk.rename(kRoot, "b", "a");
    bool lost = false;
    for_each_crash(disk, model_of("btrfs"), [&](CrashState& state) {
      lost = lost || state.disk.lookup(kRoot, intern("a")) == 0;
    });
    BOOST_TEST(lost == is_linked);
  }
}

BOOST_AUTO_TEST_CASE(disks_that_behave_alike_have_one_normal_form) {
  auto make = [](Symbol symbol, const char* first, bool wasteful) {
    Disk disk;
    if (wasteful) disk.create(false);
    const InodeNumber file = disk.create(false);
    disk.set_content(file, filled(2, symbol));
    disk.link(kRoot, first, file);
    disk.settle_all();
    normalize(disk);
    return serialized(disk);
  };
  BOOST_TEST((make(1, "v.img.1@2023-11-14T22:13:20Z", false) ==
              make(9, "v.img.7@2023-11-14T22:13:20Z", true)));
  BOOST_TEST((make(1, "v.img", false) != make(0, "v.img", false)));
}

}  // namespace
}  // namespace qubes::storage::simulation
