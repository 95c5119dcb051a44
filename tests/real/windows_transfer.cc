// SPDX-License-Identifier: LGPL-2.1-or-later
// The crash windows of import, revert and clone: W14 to W17, W22.
#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

BOOST_AUTO_TEST_SUITE(windows)

void leave_import(PoolBuilder& pool) {
  pool.revision(1, 'B').clean('C').precache().import('I');
}

BOOST_DATA_TEST_CASE(W14_import_without_end, kDiskKinds, kind) {
  const std::string before = "private-precache.img C, private.img C, private.img.1@B B";
  PoolBuilder booted(mounted(kind));
  leave_import(booted);
  boot(booted, 1);
  BOOST_TEST(booted.observe() == before);

  PoolBuilder recovered(mounted(kind));
  leave_import(recovered);
  recover(recovered);
  BOOST_TEST(recovered.observe() == before);
}

BOOST_DATA_TEST_CASE(W14_import_without_end_then_start_and_import, kDiskKinds, kind) {
  PoolBuilder started(mounted(kind));
  leave_import(started);
  Opened(started).origin(1)->start();
  BOOST_TEST(started.observe() == "private-dirty.img C, private.img C, private.img.1@B B");

  PoolBuilder imported(mounted(kind));
  leave_import(imported);
  import_letter(imported, 1, 'J');
  BOOST_TEST(imported.observe() == "private.img J, private.img.2@C C");
}

// Nobody was told that this import was done: it was not. Only what the peer itself pruned is gone.
BOOST_DATA_TEST_CASE(W15_import_not_published, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').clean('C').import('I');
  leave_unpublished_revision(pool, maker, 3);
  boot(pool, 2);
  const std::string copy = maker == Maker::peer ? ", private.img.3@C C" : "";
  BOOST_TEST(pool.observe() == "private.img C, private.img.2@B B" + copy);
  import_letter(pool, 2, 'J');
  BOOST_TEST(pool.observe() == "private.img J, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W15_import_not_published_then_start, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(2, 'B').clean('C').import('I');
  leave_unpublished_revision(pool, maker, 3);
  write_session(pool, 2, 'J');
  BOOST_TEST(pool.observe() == "private.img J, private.img.2@B B, private.img.3@C C");
}

// The first state, empty, into which a template is imported.
BOOST_DATA_TEST_CASE(W15_first_import_not_published, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.clean('-').import('I');
  leave_unpublished_revision(pool, maker, 1);
  import_letter(pool, 1, 'J');
  BOOST_TEST(pool.observe() == "private.img J, private.img.1@A -");
}

BOOST_DATA_TEST_CASE(W16_revert_not_published_is_tried_again, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  leave_unpublished_revision(pool, maker, 2);
  Opened(pool).origin(1)->revert(0);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
  Opened(pool).origin(1)->revert(0);
  const bool undone = pool.observe().starts_with("private.img C, private.img.3@");
  BOOST_TEST(undone, pool.observe());
}

BOOST_DATA_TEST_CASE(W16_revert_not_published_by_number, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').precache();
  leave_unpublished_revision(pool, maker, 3);
  Opened(pool).origin(2)->revert(1);
  BOOST_TEST(pool.observe() == "private.img A, private.img.2@B B, private.img.3@C C");
}

BOOST_DATA_TEST_CASE(W16_revert_not_published_then_a_session, kDiskKinds* kMakers, kind, maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  leave_unpublished_revision(pool, maker, 2);
  write_session(pool, 2, 'D');
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@B B, private.img.2@C C");
}

// The session in between writes nothing, so it must not cost the state that the revert was for.
BOOST_DATA_TEST_CASE(W16_revert_not_published_then_an_idle_session, kDiskKinds* kMakers, kind,
                     maker) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  leave_unpublished_revision(pool, maker, 2);
  idle_session(pool, 1);
  Opened(pool).origin(1)->revert(0);
  BOOST_TEST(pool.observe().find("private.img B") == 0u, "B is lost: " << pool.observe());
}

BOOST_DATA_TEST_CASE(W17_reverted_without_precache, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  // The peer's revision has an mtime of its own; it is C's now.
  pool.clean('C').peer_revision(2).unlink(".img").revision(1, 'B');
  pool.rename(".img.1@" + utc_of('B'), ".img");
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
  idle_session(pool, 1);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
  write_session(pool, 1, 'D');
  BOOST_TEST(pool.observe() == "private.img D, private.img.3@2024-01-01T02:30:00Z B");
}

BOOST_DATA_TEST_CASE(W17_reverted_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C').our_revision(2).unlink(".img").clean('B');
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img B, private.img.2@C C");
}

// The revert happened; its target must not stay in the history beside itself.
BOOST_DATA_TEST_CASE(W17_reverted_under_both_names_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').revision(2, 'C').rename(".img.1@" + utc_of('B'), ".img");
  pool.link(".img", ".img.1@" + utc_of('B'));
  write_session(pool, 9, 'D');
  BOOST_TEST(pool.observe() ==
             "private.img D, private.img.2@C C, private.img.3@2024-01-01T02:30:00Z B");
}

// The data is new, what the caller remembers is old: the file knows its size.
BOOST_DATA_TEST_CASE(W22_configuration_older_than_the_data, kDiskKinds, kind) {
  constexpr std::uint64_t kNow = 2 * PoolBuilder::kImageBytes;
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C', kNow).precache();
  Opened opened(pool);
  const auto volume = opened.origin(1);
  BOOST_TEST(volume->info().size_bytes.value() == kNow);
  volume->start();
  BOOST_TEST(volume->info().size_bytes.value() == kNow);
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img C/2097152, private.img.1@B B");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
