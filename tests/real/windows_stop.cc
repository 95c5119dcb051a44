// SPDX-License-Identifier: LGPL-2.1-or-later
// The crash windows of stop, W1 to W6 (docs/PEER.md §3), as the peer leaves them and as we do.
//
// All windows are tests named after them, W1 to W22, in the files windows_*.cc. Where a window is
// not a state of files, this is what stands for it:
//
//   W13  what a stop with snapshots disabled leaves unsynced is in no file: the test looks at the
//        disk after a power cut instead
//   W21  a `cp` that outlives its daemon writes to a file that was unlinked: the test keeps that
//        file open
//
// The rest are directories. "As we do" is missing where our protocols do not pass that state: W1,
// W3 (we prune after publishing), and where what we leave looks the same: W6, W8.
#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

BOOST_AUTO_TEST_SUITE(windows)

BOOST_DATA_TEST_CASE(W1_revision_half_made, kDiskKinds, kind) {
  const auto left = [&](PoolBuilder& pool) {
    pool.revision(1, 'B').clean('C').dirty('D').temporary(".img.2@" + utc_of('C'), 'C');
  };
  PoolBuilder pool(mounted(kind));
  left(pool);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@C C");

  PoolBuilder recovered(mounted(kind));
  left(recovered);
  recover(recovered);
  BOOST_TEST(recovered.observe() == "private-dirty.img D, private.img C, private.img.1@B B");
}

BOOST_DATA_TEST_CASE(W2_revision_named_but_nothing_published, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').dirty('D');
  leave_unpublished_revision(pool, maker, 3);
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
  write_session(pool, 2, 'E');
  BOOST_TEST(pool.observe() == "private.img E, private.img.3@C C, private.img.4@D D");
}

// The peer makes a copy for each stop that is cut off: [A, B, C] became [D, D, D].
BOOST_DATA_TEST_CASE(W2_two_stops_cut_off, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').dirty('D').peer_revision(3).our_revision(4);
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W2_session_is_resumed_and_stopped, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').dirty('D');
  leave_unpublished_revision(pool, maker, 2);
  write_session(pool, 1, 'E');
  BOOST_TEST(pool.observe() == "private.img E, private.img.2@C C");
}

// The session is given up instead; then the history must be the one before it.
BOOST_DATA_TEST_CASE(W2_session_is_discarded, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').dirty('D');
  leave_unpublished_revision(pool, maker, 2);
  Opened(pool).origin(1)->discard();
  idle_session(pool, 1);
  Opened(pool).origin(1)->revert(0);
  BOOST_TEST(pool.observe().find("private.img B") == 0u, "B is lost: " << pool.observe());
}

BOOST_DATA_TEST_CASE(W2_recover, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').dirty('D');
  leave_unpublished_revision(pool, maker, 2);
  recover(pool);
  const std::string copy = maker == Maker::peer ? ", private.img.2@C C" : "";
  BOOST_TEST(pool.observe() == "private-dirty.img D, private.img C, private.img.1@B B" + copy);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@C C");
}

BOOST_DATA_TEST_CASE(W3_pruned_but_not_published, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').clean('C').precache().dirty('D').peer_revision(3);
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W3_keeping_one, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C').dirty('D').peer_revision(2);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@C C");
}

BOOST_DATA_TEST_CASE(W4_precache_removed_but_not_published, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').clean('C').dirty('D');
  leave_unpublished_revision(pool, maker, 3);
  boot(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W5_published_without_precache, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'C').clean('D');
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@C C");
  Opened opened(pool, true);
  const auto volume = opened.origin(1);
  volume->start();
  BOOST_TEST(pool.observe() == "private-dirty.img D, private.img D, private.img.1@C C");
  volume->stop();
  opened.pool.drain();
  const std::string precache = kind == FilesystemKind::ext4 ? "" : "private-precache.img D, ";
  BOOST_TEST(pool.observe() == precache + "private.img D, private.img.1@C C");
}

// We publish before we prune: one revision too many, which the next commit removes.
BOOST_DATA_TEST_CASE(W5_published_but_not_pruned_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').our_revision(2).unlink(".img").clean('D');
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@B B, private.img.2@C C");
  write_session(pool, 1, 'E');
  BOOST_TEST(pool.observe() == "private.img E, private.img.3@D D");
}

// Where renames are no single change (Btrfs, unknown filesystems) two more states are ours alone:
// the new name is lost, or the old one still there (docs/CRASH_MODEL.md).
BOOST_DATA_TEST_CASE(W5_clean_name_lost_as_we_do, kDiskKinds, kind) {
  const auto left = [](PoolBuilder& pool) {
    pool.revision(1, 'B').clean('C').our_revision(2).unlink(".img").dirty('D').image(
        "-precache.img", 'C');
  };
  PoolBuilder recovered(mounted(kind));
  left(recovered);
  recover(recovered);
  BOOST_TEST(recovered.observe().starts_with("private-dirty.img D, private-precache.img C, "));
  BOOST_TEST(recovered.observe().ends_with("private.img C, private.img.1@B B"));
  boot(recovered, 2);
  BOOST_TEST(recovered.observe() == "private.img D, private.img.1@B B, private.img.2@C C");

  PoolBuilder reverting(mounted(kind));  // without a session it was a revert
  left(reverting);
  reverting.unlink("-dirty.img").unlink("-precache.img");
  Opened(reverting).origin(2)->revert(0);
  BOOST_TEST(reverting.observe() == "private.img B, private.img.2@C C");
}

BOOST_DATA_TEST_CASE(W5_published_under_both_names_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'C').clean('D').link(".img", "-dirty.img");
  Opened(pool).origin(1)->start();
  BOOST_TEST(pool.observe() == "private-dirty.img D, private.img D, private.img.2@C C");
}

BOOST_DATA_TEST_CASE(W6_precache_half_made, kDiskKinds, kind) {
  const auto left = [](PoolBuilder& pool) {
    pool.revision(1, 'C').clean('D').temporary("-precache.img", 'D');
  };
  PoolBuilder pool(mounted(kind));
  left(pool);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@C C");

  PoolBuilder recovered(mounted(kind));
  left(recovered);
  recover(recovered);
  BOOST_TEST(recovered.observe() == "private.img D, private.img.1@C C");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
