// SPDX-License-Identifier: LGPL-2.1-or-later
// Three breaks that real Btrfs showed of a start and a commit with fewer syncs
// (docs/CRASH_MODEL.md, section 2): the models must show them where those are put back, on Btrfs
// and not on XFS.
#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/simulation/crash.h"
#include "tests/simulation/scenario.h"

namespace qubes::storage::simulation {
namespace {

constexpr Symbol kOld = 1;
constexpr Symbol kNew = 2;

struct Shown {
  bool empty_session = false;
  bool stale_precache = false;
  bool missing_clean = false;
};

// What the crashes at this moment may leave of the volume `root` in `directory`.
void collect(const Disk& disk, const CrashModel& model, InodeNumber directory, Shown& shown) {
  for_each_crash(disk, model, [&](CrashState& state) {
    if (state.kind != CrashKind::power_cut) return;
    auto there = [&](const char* name) { return state.disk.lookup(directory, intern(name)); };
    auto content = [&](InodeNumber inode) { return state.disk.inodes[inode].now; };
    const InodeNumber clean = there("root.img");
    const InodeNumber dirty = there("root-dirty.img");
    shown.empty_session |= dirty != 0 && content(dirty).size_blocks == 0;
    shown.stale_precache |= there("root-precache.img") != 0 && clean != 0 &&
                            content(clean) != content(there("root-precache.img"));
    shown.missing_clean |= clean == 0 && dirty != 0 && there("root.img.1@2023-11-14T22:13:20Z");
  });
}

InodeNumber file(Disk& disk, const char* name, Symbol symbol) {
  const InodeNumber inode = disk.create(false);
  disk.set_content(inode, filled(1, symbol));
  disk.link(kRoot, name, inode);
  return inode;
}

// C and P with the old content, D with the new.
Disk written_session() {
  Disk disk;
  file(disk, "root.img", kOld);
  file(disk, "root-precache.img", kOld);
  disk.now_ns += kTickNs;
  file(disk, "root-dirty.img", kNew);
  disk.settle_all();
  return disk;
}

Shown commit_with_one_directory_sync(const CrashModel& model) {
  Disk disk = written_session();
  Shown shown;
  auto crash = [&] { collect(disk, model, kRoot, shown); };
  disk.sync_file(model, disk.lookup(kRoot, intern("root-dirty.img")));
  crash();
  disk.unlink(kRoot, "root-precache.img");
  crash();
  disk.link(kRoot, "root.img.1@2023-11-14T22:13:20Z", disk.lookup(kRoot, intern("root.img")));
  crash();
  disk.rename(kRoot, "root-dirty.img", "root.img");
  crash();
  disk.sync_directory(model, kRoot);
  crash();
  return shown;
}

Shown start_from_a_file_synced_without_a_name(const CrashModel& model) {
  Disk disk;
  file(disk, "root.img", kOld);
  disk.settle_all();
  Shown shown;
  const InodeNumber clone = disk.create(false);
  disk.set_content(clone, filled(1, kOld));
  disk.sync_file(model, clone);
  disk.link(kRoot, "root-precache.img", clone);
  disk.rename(kRoot, "root-precache.img", "root-dirty.img");
  disk.sync_directory(model, kRoot);
  collect(disk, model, kRoot, shown);
  return shown;
}

class Collector final : public StepObserver {
 public:
  Collector(SimulatedFilesystem& fs, Shown& shown) : fs_(fs), shown_(shown) {}
  void perform(const Step&, const std::function<void()>& act) override {
    act();
    const InodeNumber directory = fs_.disk().resolve("/pool/vm-templates/t");
    if (directory != 0) collect(fs_.disk(), fs_.model(), directory, shown_);
  }

 private:
  SimulatedFilesystem& fs_;
  Shown& shown_;
};

Shown a_session_of_the_library(const CrashModel& model) {
  const Scenario scenario{
      "breaks", {{Kind::origin, "vm-templates", "t", "root", -1, 1, 1}}, {1}, {}, false};
  Disk disk = initial_disk(scenario);
  Shown shown;
  for (Verb verb : {Verb::create, Verb::start, Verb::write, Verb::stop, Verb::start}) {
    auto fs = std::make_shared<SimulatedFilesystem>(disk, model);
    Collector collector(*fs, shown);
    fs->observe(&collector);
    BOOST_REQUIRE(run(fs, fs, scenario, {verb, 0, 1}, nullptr).is_ok);
    disk = fs->disk();
  }
  return shown;
}

BOOST_AUTO_TEST_SUITE(breaks)

BOOST_AUTO_TEST_CASE(a_session_synced_without_a_name_is_empty) {
  BOOST_TEST(start_from_a_file_synced_without_a_name(model_of("btrfs")).empty_session);
  BOOST_TEST(!start_from_a_file_synced_without_a_name(model_of("xfs")).empty_session);
}

BOOST_AUTO_TEST_CASE(a_stale_precache_survives_the_commit) {
  BOOST_TEST(commit_with_one_directory_sync(model_of("btrfs")).stale_precache);
  BOOST_TEST(!commit_with_one_directory_sync(model_of("xfs")).stale_precache);
}

BOOST_AUTO_TEST_CASE(the_commit_loses_the_clean_name) {
  BOOST_TEST(commit_with_one_directory_sync(model_of("btrfs")).missing_clean);
  BOOST_TEST(!commit_with_one_directory_sync(model_of("xfs")).missing_clean);
}

// The third is left to the sweep: nobody knows why a sync between link and rename averts it.
BOOST_AUTO_TEST_CASE(the_library_has_none_that_the_sweep_does_not_mend) {
  for (const char* filesystem : {"xfs", "ext4", "btrfs", "other"}) {
    const Shown shown = a_session_of_the_library(model_of(filesystem));
    BOOST_TEST(!shown.empty_session);
    BOOST_TEST(!shown.stale_precache);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::simulation
