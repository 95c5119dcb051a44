// SPDX-License-Identifier: LGPL-2.1-or-later
// The protocols, step by step: the exact order of what each operation does to the disk.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

constexpr const char* kVid = "appvms/work/private";

// Compares line by line, so that a failure shows the first step that differs.
void check_steps(RecordedPool& pool, const std::string& expected) {
  BOOST_TEST(lines(pool.take()) == expected);
}

BOOST_AUTO_TEST_SUITE(protocols)

BOOST_AUTO_TEST_CASE(create_xfs) {
  RecordedPool pool(FilesystemKind::xfs);
  pool.origin(kVid)->create();
  check_steps(pool,
              "make directory work\n"
              "set size unnamed\n"
              "link unnamed private.img~\n"
              "sync private.img~\n"
              "rename private.img~ -> private.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(create_btrfs_syncs_the_new_directorys_name) {
  RecordedPool pool(FilesystemKind::btrfs);
  pool.origin(kVid)->create();
  check_steps(pool,
              "make directory work\n"
              "sync directory appvms\n"
              "set size unnamed\n"
              "link unnamed private.img~\n"
              "sync private.img~\n"
              "rename private.img~ -> private.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(precache_is_made_in_the_background) {
  RecordedPool pool(FilesystemKind::xfs);
  pool.origin(kVid)->create();
  pool.take();
  BOOST_TEST(!pool.exists(kVid, "-precache.img"));
  pool.drain();
  check_steps(pool,
              "clone private.img\n"
              "link unnamed private-precache.img~\n"
              "sync private-precache.img~\n"
              "rename private-precache.img~ -> private-precache.img\n");
}

BOOST_AUTO_TEST_CASE(no_precache_without_reflink) {
  RecordedPool pool(FilesystemKind::ext4, false);
  auto volume = pool.created(kVid);
  BOOST_TEST(pool.listing("appvms/work") == std::vector<std::string>{"private.img"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(start_with_a_precache_is_a_rename) {
  RecordedPool pool(FilesystemKind::xfs);
  pool.created(kVid)->start();
  check_steps(pool,
              "rename private-precache.img -> private-dirty.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(start_without_a_precache_publishes_a_clone) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  std::remove(pool.file(kVid, "-precache.img").c_str());
  volume->start();
  check_steps(pool,
              "clone private.img\n"
              "link unnamed private-dirty.img~\n"
              "sync private-dirty.img~\n"
              "rename private-dirty.img~ -> private-dirty.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(a_stale_precache_is_never_started) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  auto stale = std::fopen(pool.file(kVid, "-precache.img").c_str(), "r+");
  std::fputs("stale", stale);  // the mtime changes with it
  std::fclose(stale);
  volume->start();
  check_steps(pool,
              "unlink private-precache.img\n"
              "clone private.img\n"
              "link unnamed private-dirty.img~\n"
              "sync private-dirty.img~\n"
              "rename private-dirty.img~ -> private-dirty.img\n"
              "sync directory work\n");
  BOOST_TEST(pool.read(kVid, "-dirty.img") == "");
}

BOOST_AUTO_TEST_CASE(resuming_a_session_makes_its_name_durable) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  volume->start();
  pool.take();
  volume->start();
  check_steps(pool, "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(stop_xfs) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");  // leaves revision 1, the empty state
  volume->start();
  pool.write_session(kVid, "two");
  pool.take();
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "link private.img -> private.img.2@TIME\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n"
              "unlink private.img.1@TIME\n");
  BOOST_TEST(pool.read(kVid, ".img") == "two");
}

BOOST_AUTO_TEST_CASE(stop_btrfs_orders_the_revision_before_the_publication) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->start();
  pool.write_session(kVid, "two");
  pool.take();
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "link private.img -> private.img.2@TIME\n"
              "sync directory work\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n"
              "unlink private.img.1@TIME\n");
}

BOOST_AUTO_TEST_CASE(stop_without_revisions) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid, 0);
  volume->start();
  pool.write_session(kVid, "one");
  pool.take();
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(a_session_that_wrote_nothing_makes_no_revision) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  volume->start();
  pool.take();
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n");
  BOOST_TEST(volume->revisions().empty());
}

BOOST_AUTO_TEST_CASE(a_second_stop_only_makes_sure) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->stop();
  check_steps(pool, "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(discard) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  volume->start();
  pool.write_session(kVid, "one");
  pool.take();
  volume->discard();
  check_steps(pool,
              "unlink private-dirty.img\n"
              "sync directory work\n");
  BOOST_TEST(pool.read(kVid, ".img") == "");
}

BOOST_AUTO_TEST_CASE(revert_btrfs) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->revert(0);
  check_steps(pool,
              "unlink private-precache.img\n"
              "link private.img -> private.img.2@TIME\n"
              "sync directory work\n"
              "rename private.img.1@TIME -> private.img\n"
              "sync directory work\n");
  BOOST_TEST(pool.read(kVid, ".img") == "");
  volume->revert(0);
  BOOST_TEST(pool.read(kVid, ".img") == "one");
}

BOOST_AUTO_TEST_CASE(resize_with_a_precache) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  volume->resize(128 * 1024, false);
  check_steps(pool,
              "set size private-precache.img\n"
              "sync private-precache.img\n"
              "rename private-precache.img -> private.img\n"
              "sync directory work\n");
  BOOST_TEST(volume->info().size_bytes.value() == 128u * 1024);
}

BOOST_AUTO_TEST_CASE(a_shrink_keeps_the_longer_state) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->resize(32 * 1024, true);
  check_steps(pool,
              "rename private-precache.img -> private-import.img\n"
              "set size private-import.img\n"
              "sync private-import.img\n"
              "link private.img -> private.img.2@TIME\n"
              "rename private-import.img -> private.img\n"
              "sync directory work\n"
              "unlink private.img.1@TIME\n");
  BOOST_TEST(volume->revisions().back().size_bytes == 64u * 1024);
}

BOOST_AUTO_TEST_CASE(import) {
  RecordedPool pool(FilesystemKind::xfs);
  auto volume = pool.created(kVid);
  volume->import_begin(4096);
  check_steps(pool,
              "set size unnamed\n"
              "link unnamed private-import.img\n");
  volume->import_end(true);
  check_steps(pool,
              "sync private-import.img\n"
              "unlink private-precache.img\n"
              "link private.img -> private.img.1@TIME\n"
              "rename private-import.img -> private.img\n"
              "sync directory work\n");
}

BOOST_AUTO_TEST_CASE(an_import_given_up_costs_no_sync) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  volume->import_begin(4096);
  pool.take();
  volume->import_end(false);
  check_steps(pool, "unlink private-import.img\n");
}

BOOST_AUTO_TEST_CASE(remove_takes_the_committed_state_last) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->remove();
  check_steps(pool,
              "unlink private.img.1@TIME\n"
              "unlink private-precache.img\n"
              "sync directory work\n"
              "unlink private.img\n"
              "remove directory work\n"
              "sync directory appvms\n");
}

BOOST_AUTO_TEST_CASE(sessions_that_are_thrown_away_are_never_synced) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto source = pool.created("vm-templates/debian/root");
  auto snapshot = pool.snapshot("appvms/work/root", "vm-templates/debian/root");
  auto scratch = pool.volatile_volume("appvms/work/volatile");
  snapshot->start();
  scratch->start();
  check_steps(pool,
              "make directory work\n"
              "clone root.img\n"
              "link unnamed root-dirty.img\n"
              "link root.img -> root.img\n"
              "set size unnamed\n"
              "link unnamed volatile-dirty.img\n");
  snapshot->stop();
  scratch->stop();
  check_steps(pool,
              "unlink root.img\n"
              "unlink root-dirty.img\n"
              "unlink volatile-dirty.img\n");
}

BOOST_AUTO_TEST_CASE(a_snapshot_starts_from_the_precache_that_its_stop_left) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto source = pool.created("vm-templates/debian/root");
  auto snapshot = pool.snapshot("appvms/work/root", "vm-templates/debian/root");
  snapshot->start();
  snapshot->stop();
  pool.take();
  pool.drain();
  check_steps(pool,
              "clone root.img\n"
              "link unnamed root-precache.img~\n"
              "sync root-precache.img~\n"
              "rename root-precache.img~ -> root-precache.img\n"
              "link root.img -> root.img\n");
  snapshot->start();
  check_steps(pool, "rename root-precache.img -> root-dirty.img\n");
  BOOST_TEST(!snapshot->info().is_outdated);
}

BOOST_AUTO_TEST_CASE(a_precache_of_an_older_source_is_not_used) {
  RecordedPool pool(FilesystemKind::xfs);
  auto source = pool.created("vm-templates/debian/root", 0);
  auto snapshot = pool.snapshot("appvms/work/root", "vm-templates/debian/root");
  snapshot->start();
  snapshot->stop();
  pool.drain();
  pool.session(*source, "newer");  // keeps no revision: the old state is the snapshot's alone
  snapshot->start();
  check_steps(pool,
              "unlink root.img\n"
              "unlink root-precache.img\n"
              "clone root.img\n"
              "link unnamed root-dirty.img\n"
              "link root.img -> root.img\n");
  BOOST_TEST(pool.read("appvms/work/root", "-dirty.img") == "newer");
}

BOOST_AUTO_TEST_CASE(an_origin_snapshot_starts_from_its_source_and_keeps_its_own_states) {
  RecordedPool pool(FilesystemKind::xfs);
  auto source = pool.created("vm-templates/debian/root");
  pool.session(*source, "source");
  auto volume = pool.origin_snapshot("appvms/work/root", "vm-templates/debian/root");
  volume->start();
  check_steps(pool,
              "make directory work\n"
              "clone root.img\n"
              "link unnamed root-dirty.img~\n"
              "sync root-dirty.img~\n"
              "rename root-dirty.img~ -> root-dirty.img\n"
              "sync directory work\n");
  pool.write_session("appvms/work/root", "first!");
  volume->stop();
  volume->start();
  BOOST_TEST(pool.read("appvms/work/root", "-dirty.img") == "source");
  pool.write_session("appvms/work/root", "second");
  volume->stop();
  BOOST_TEST(pool.read("appvms/work/root", ".img") == "second");
  BOOST_REQUIRE(volume->revisions().size() == 1u);
  volume->revert(0);
  BOOST_TEST(pool.read("appvms/work/root", ".img") == "first!");
}

BOOST_AUTO_TEST_CASE(snapshots_disabled) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  volume->set_revisions_to_keep(-1);
  volume->start();
  check_steps(pool,
              "sync directory work\n"
              "unlink private.img.1@TIME\n"
              "sync directory work\n"
              "unlink private-precache.img\n"
              "rename private.img -> private-dirty.img\n"
              "sync directory work\n");
  BOOST_TEST(pool.listing("appvms/work") == std::vector<std::string>{"private-dirty.img"},
             boost::test_tools::per_element());
  pool.write_session(kVid, "two");
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "sync directory work\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n");
  pool.drain();
  BOOST_TEST(pool.listing("appvms/work") == std::vector<std::string>{"private.img"},
             boost::test_tools::per_element());
}

// Btrfs may lose the name C there, and then needs an R (docs/CRASH_MODEL.md, "target lost").
BOOST_AUTO_TEST_CASE(what_has_another_name_is_secured_where_names_keep_no_order) {
  RecordedPool pool(FilesystemKind::btrfs);
  auto volume = pool.created(kVid, 0);
  std::filesystem::create_hard_link(pool.file(kVid, ".img"), pool.file(kVid, "-other.img"));
  volume->resize(8 << 20, false);
  check_steps(pool,
              "link private.img -> private.img.1@TIME\n"
              "sync directory work\n"
              "set size private-precache.img\n"
              "sync private-precache.img\n"
              "rename private-precache.img -> private.img\n"
              "sync directory work\n"
              "unlink private.img.1@TIME\n");
  std::filesystem::remove(pool.file(kVid, "-other.img"));
  std::filesystem::create_hard_link(pool.file(kVid, ".img"), pool.file(kVid, "-other.img"));
  volume->start();
  pool.write_session(kVid, "one");
  pool.take();
  volume->stop();
  check_steps(pool,
              "sync private-dirty.img\n"
              "link private.img -> private.img.1@TIME\n"
              "sync directory work\n"
              "rename private-dirty.img -> private.img\n"
              "sync directory work\n"
              "unlink private.img.1@TIME\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
