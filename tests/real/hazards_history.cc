// SPDX-License-Identifier: LGPL-2.1-or-later
// The hazards of the peer that cost history without a crash: H3, H5 to H7, H10, H15
// (docs/PEER.md §4).
//
// All hazards are tests named after them, H1 to H15, in the files hazards_*.cc. One has no state of
// files to set up:
//
//   H13  "usage counts shared blocks in each file, and no revisions" is about numbers, not files:
//   the
//        usage that a volume reports is that of one image (its test checks which), and what a pool
//        uses is asked of the filesystem
#include <filesystem>

#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

BOOST_AUTO_TEST_SUITE(hazards)

BOOST_DATA_TEST_CASE(H3_idle_sessions_keep_the_history, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').precache();
  idle_session(pool, 2);
  idle_session(pool, 2);
  idle_session(pool, 2);
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@A A, private.img.2@B B");
  write_session(pool, 2, 'D');
  idle_session(pool, 2);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@B B, private.img.3@C C");
}

// A session that the guest changed and changed back, and one that it cut, did write.
BOOST_DATA_TEST_CASE(H3_what_was_written_is_a_state, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C').dirty('C').write("-dirty.img", 'D').write("-dirty.img", 'C');
  std::filesystem::resize_file(pool.file("-dirty.img"), 4096);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img C/4096, private.img.1@C C");
}

const char* const kLookAlikes[] = {
    "private.img.one@2024-01-01T01:00:00Z",   // H5: the peer fails at each of these
    "private.img.-1@2024-01-01T01:00:00Z",    //
    "private.img.2@yesterdayZ",               //
    "private.img.@2024-01-01T01:00:00Z",      //
    "private.img.07@2024-01-01T01:00:00Z",    // another spelling of 7
    "private.img.9@2024-02-30T01:00:00Z",     // no such day
    "private.img.9@2024-01-01T01:00:00Z.bak"  // somebody's copy
};

BOOST_DATA_TEST_CASE(H5_look_alikes_are_left_alone, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').dirty('D');
  for (const char* const name : kLookAlikes) pool.foreign("appvms/work/" + std::string(name), 'F');
  pool.directory("appvms/work/private.img.8@2024-01-01T01:00:00Z");
  Opened opened(pool);
  const auto volume = opened.origin(1);
  BOOST_TEST(volume->revisions().size() == 1u);
  volume->stop();
  volume->revert(0);
  BOOST_TEST(volume->revisions().size() == 1u);
  opened.pool.recover();
  BOOST_TEST(read_file(pool.file(".img")).front() == 'C');
  volume->remove();
  for (const char* const name : kLookAlikes) {
    BOOST_TEST(read_file(pool / "appvms/work/" + name).front() == 'F', name);
    BOOST_TEST(::unlink((pool / "appvms/work/" + name).c_str()) == 0, name);
  }
  BOOST_TEST(pool.observe() == "private.img.8@A/");
}

// `V.img@TIME`: revisions of the time before numbers.
BOOST_DATA_TEST_CASE(H5_old_form_revisions_are_left_alone, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.image(".img@" + utc_of('A'), 'A').image(".img@" + utc_of('B'), 'B').clean('C').dirty('D');
  boot(pool, 1);
  BOOST_TEST(pool.observe() ==
             "private.img D, private.img.1@C C, private.img@A A, private.img@B B");
  Opened(pool).origin(1)->remove();
  BOOST_TEST(pool.observe() == "private.img@A A, private.img@B B");
}

BOOST_DATA_TEST_CASE(H6_two_revisions_of_one_number, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(1, 'B').clean('C').dirty('D');
  Opened opened(pool);
  const auto volume = opened.origin(3);
  BOOST_TEST(volume->revisions().size() == 2u);  // none is hidden
  volume->stop();
  BOOST_TEST(pool.observe() ==
             "private.img D, private.img.1@A A, private.img.1@B B, private.img.2@C C");
  volume->prune(1);
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@C C");
}

// Numbers order, times do not: a reverted state is older than what came before it.
BOOST_DATA_TEST_CASE(H7_revert_goes_by_number, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(9, 'F').revision(10, 'A').clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(9);
  BOOST_TEST(volume->revisions().back().number == 10u);
  volume->revert(0);
  BOOST_TEST(pool.observe() == "private.img A, private.img.11@C C, private.img.9@F F");
}

// Ours is a second name of the old state, so its time stays that of the content, also after a
// revert.
BOOST_DATA_TEST_CASE(H7_times_are_those_of_the_content, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('B');
  write_session(pool, 9, 'C');
  Opened(pool).origin(9)->revert(1);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
  write_session(pool, 9, 'D');
  BOOST_TEST(pool.observe() == "private.img D, private.img.2@C C, private.img.3@B B");
  Opened(pool).origin(9)->revert(0);  // the state before that session
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C, private.img.4@D D");
}

BOOST_DATA_TEST_CASE(H10_revert_keeps_the_present_state, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(0);
  volume->revert(0);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
  volume->revert(0);
  BOOST_TEST(pool.observe().starts_with("private.img C, private.img.3@"));
}

BOOST_DATA_TEST_CASE(H13_usage_is_that_of_one_image, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').precache();
  Opened opened(pool);
  const auto volume = opened.origin(2);
  BOOST_TEST(volume->info().usage_bytes.value() == allocated_bytes(pool.file(".img")));
  BOOST_TEST(volume->info().usage_bytes.value() < PoolBuilder::kImageBytes);
  const auto space = opened.pool.info();
  BOOST_TEST((space.usage_bytes && space.size_bytes && *space.usage_bytes <= *space.size_bytes));
}

// What an import of the peer leaves of a volume with snapshots disabled.
BOOST_DATA_TEST_CASE(H15_revisions_with_snapshots_disabled, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').revision(3, 'C').clean('D').precache();
  Opened opened(pool);
  const auto volume = opened.origin(-1);
  BOOST_TEST(volume->revisions().size() == 2u);
  volume->start();
  BOOST_TEST(pool.observe() == "private-dirty.img D");
  pool.guest_writes('E');
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img E");
}

BOOST_DATA_TEST_CASE(H15_import_with_snapshots_disabled, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('D');
  import_letter(pool, -1, 'I');
  BOOST_TEST(pool.observe() == "private.img I");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
