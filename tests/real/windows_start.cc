// SPDX-License-Identifier: LGPL-2.1-or-later
// The crash windows of start, of sessions that are never saved, and of disabled snapshots: W7 to
// W13.
#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

constexpr char kTemplate[] = "vm-templates/deb/root";
constexpr char kRoot[] = "appvms/work/root";
constexpr char kVolatile[] = "appvms/work/volatile";

BOOST_AUTO_TEST_SUITE(windows)

BOOST_DATA_TEST_CASE(W7_session_that_wrote_nothing, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').idle_session();
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@A A, private.img.2@B B");
}

BOOST_DATA_TEST_CASE(W7_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C');
  Opened(pool).origin(2)->start();
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@A A, private.img.2@B B");
}

// Without a precache the peer copies C, and the copy gets an mtime of its own: such a session
// counts as written, and its commit as any other. Nothing else tells, short of reading both images.
BOOST_DATA_TEST_CASE(W7_session_copied_by_the_peer_counts_as_written, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').copied_session();
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img C, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W8_session_half_copied, kDiskKinds, kind) {
  const auto left = [](PoolBuilder& pool) {
    pool.revision(1, 'B').clean('C').temporary("-dirty.img", '-', 4096);
  };
  PoolBuilder booted(mounted(kind));
  left(booted);
  boot(booted, 1);
  BOOST_TEST(booted.observe() == "private.img C, private.img.1@B B");

  PoolBuilder started(mounted(kind));
  left(started);
  Opened(started).origin(1)->start();
  BOOST_TEST(started.observe() == "private-dirty.img C, private.img C, private.img.1@B B");
}

// ---- Sessions that are never saved ----------------------------------------------------------

void check_snapshot_recovers(PoolBuilder& pool) {
  {
    Opened opened(pool);
    const auto root = opened.snapshot(kRoot, kTemplate);
    BOOST_CHECK_NO_THROW(root->stop());
    BOOST_TEST(pool.observe() == "appvms/work/, vm-templates/deb/root.img T");
    BOOST_CHECK_NO_THROW(root->stop());
    root->start();
  }
  BOOST_TEST(pool.observe() ==
             "root-dirty.img T, root.img T, vm-templates/deb/root.img T =root.img");
}

void check_snapshot_starts(PoolBuilder& pool) {
  BOOST_CHECK_NO_THROW(Opened(pool).snapshot(kRoot, kTemplate)->start());
  BOOST_TEST(pool.observe() ==
             "root-dirty.img T, root.img T, vm-templates/deb/root.img T =root.img");
}

// Each step of a start, over the session that was there before it.
void leave_snapshot(PoolBuilder& pool, int step) {
  pool.volume(kTemplate).clean('T').volume(kRoot).directory("appvms/work");
  if (step == 1) pool.dirty('S');  // C is gone
  if (step == 2) pool.link_from(kTemplate).dirty('S');
  if (step == 3) pool.link_from(kTemplate);  // as we do: D goes first
  if (step == 4) pool.link_from(kTemplate).temporary("-dirty.img", 'T');
  if (step == 5) pool.link_from(kTemplate).dirty('T');
}

const auto kSteps = boost::unit_test::data::xrange(6);

BOOST_DATA_TEST_CASE(W9_snapshot_half_started_is_stopped, kDiskKinds* kSteps, kind, step) {
  PoolBuilder pool(mounted(kind));
  leave_snapshot(pool, step);
  check_snapshot_recovers(pool);
}

BOOST_DATA_TEST_CASE(W9_snapshot_half_started_is_started, kDiskKinds* kSteps, kind, step) {
  PoolBuilder pool(mounted(kind));
  leave_snapshot(pool, step);
  check_snapshot_starts(pool);
}

BOOST_DATA_TEST_CASE(W10_snapshot_half_stopped, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kTemplate).clean('T').volume(kRoot).link_from(kTemplate);
  check_snapshot_recovers(pool);
}

// The template was updated while the snapshot ran: the link is the last one to that inode. The peer
// has a copy of it as a revision.
void leave_outdated_link(PoolBuilder& pool) {
  pool.volume(kTemplate).clean('S').volume(kRoot).link_from(kTemplate);
  pool.volume(kTemplate).peer_revision(1).unlink(".img").clean('T').volume(kRoot);
}

BOOST_DATA_TEST_CASE(W10_outdated_snapshot_half_stopped_is_stopped, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  leave_outdated_link(pool);
  BOOST_CHECK_NO_THROW(Opened(pool).snapshot(kRoot, kTemplate)->stop());
  BOOST_TEST(pool.observe() ==
             "appvms/work/, vm-templates/deb/root.img T, vm-templates/deb/root.img.1@S S");
}

BOOST_DATA_TEST_CASE(W10_outdated_snapshot_half_stopped_is_started, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  leave_outdated_link(pool);
  BOOST_CHECK_NO_THROW(Opened(pool).snapshot(kRoot, kTemplate)->start());
  BOOST_TEST(pool.observe() ==
             "root-dirty.img T, root.img T, vm-templates/deb/root.img T =root.img, "
             "vm-templates/deb/root.img.1@S S");
}

BOOST_DATA_TEST_CASE(W10_outdated_snapshot_half_stopped_is_removed, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  leave_outdated_link(pool);
  BOOST_CHECK_NO_THROW(Opened(pool).snapshot(kRoot, kTemplate)->remove());
  BOOST_TEST(pool.observe() == "vm-templates/deb/root.img T, vm-templates/deb/root.img.1@S S");
}

// The template kept no revision. Now nothing tells this link from the only state of an origin that
// the caller takes for a snapshot: it may be refused, but then it is kept, and remove is a way out.
BOOST_DATA_TEST_CASE(W10_outdated_snapshot_of_a_source_without_history, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  leave_outdated_link(pool);
  pool.volume(kTemplate).unlink(".img.1@" + utc_of('S')).volume(kRoot);
  const std::string before = pool.observe();
  Opened opened(pool);
  const auto snapshot = opened.snapshot(kRoot, kTemplate);
  BOOST_CHECK_NO_THROW(snapshot->stop());
  const int code = code_thrown([&] { snapshot->start(); });
  if (code != 0) {
    BOOST_TEST(code == value(Code::invalid));
    BOOST_TEST(pool.observe() == before);
    snapshot->remove();
  }
  check_snapshot_starts(pool);
}

BOOST_DATA_TEST_CASE(W10_volatile_left_running, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kVolatile).dirty('V').temporary("-dirty.img", '-');
  Opened opened(pool);
  const auto volume = opened.volatile_volume(kVolatile);
  volume->stop();
  BOOST_TEST(pool.observe() == "appvms/work/");
  volume->stop();
  volume->start();
  BOOST_TEST(pool.observe() == "volatile-dirty.img -");
}

BOOST_DATA_TEST_CASE(W10_volatile_left_running_is_started, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kVolatile).dirty('V');
  Opened(pool).volatile_volume(kVolatile)->start();
  BOOST_TEST(pool.observe() == "volatile-dirty.img -");
}

// ---- Snapshots disabled ---------------------------------------------------------------------

BOOST_DATA_TEST_CASE(W11_start_in_place_while_pruning, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').clean('C').precache();
  Opened opened(pool);
  const auto volume = opened.origin(-1);
  volume->verify();
  volume->stop();
  volume->start();
  BOOST_TEST(pool.observe() == "private-dirty.img C");
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img C");
}

BOOST_DATA_TEST_CASE(W11_start_in_place_done, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.dirty('C');
  Opened opened(pool);
  const auto volume = opened.origin(-1);
  BOOST_CHECK_NO_THROW(volume->verify());
  BOOST_TEST(volume->info().is_dirty);
  recover(pool);
  BOOST_TEST(pool.observe() == "private-dirty.img C");
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img C");
}

BOOST_DATA_TEST_CASE(W12_snapshots_turned_on_over_a_crashed_session, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.dirty('C');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  BOOST_CHECK_NO_THROW(volume->verify());
  BOOST_TEST(code_thrown([&] { volume->open_committed(); }) == value(Code::dirty));
  BOOST_TEST(code_thrown([&] { volume->import_begin(4096); }) == value(Code::dirty));
  BOOST_TEST(code_thrown([&] { volume->discard(); }) == value(Code::not_supported));
  BOOST_TEST(pool.observe() == "private-dirty.img C");
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img C");
  write_session(pool, 1, 'D');
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@C C");
}

BOOST_DATA_TEST_CASE(W12_session_is_resumed, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.dirty('C');
  write_session(pool, 1, 'D');
  BOOST_TEST(pool.observe() == "private.img D");
}

BOOST_DATA_TEST_CASE(W13_stop_in_place_survives_a_power_cut, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C');
  write_session(pool, -1, 'D');
  const auto after = mounted(kind).crash_image();
  const std::string inside = pool.file(".img").substr(mounted(kind).path().size());
  BOOST_TEST(read_file(after->path() + inside) == read_file(pool.file(".img")));
  BOOST_TEST(pool.observe() == "private.img D");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
