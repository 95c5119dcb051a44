// SPDX-License-Identifier: LGPL-2.1-or-later
// The crash windows of resize, create and remove, and of a copy that outlives its daemon: W18 to
// W21.
#include "src/fs/descriptor.h"
#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

constexpr std::uint64_t kGrown = 2 * PoolBuilder::kImageBytes;
constexpr std::uint64_t kCut = PoolBuilder::kImageBytes / 4;

BOOST_AUTO_TEST_SUITE(windows)

BOOST_DATA_TEST_CASE(W18_resize_not_published, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').temporary(".img", 'C', kGrown);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@B B");
  Opened(pool).origin(1)->resize(kGrown, false);
  BOOST_TEST(pool.observe() == "private.img C/2097152, private.img.1@B B");
}

// The resize published; whoever asked for it does not know that, and asks again.
BOOST_DATA_TEST_CASE(W18_resize_published, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C', kGrown).temporary("-precache.img", 'C', kGrown);
  Opened opened(pool);
  const auto volume = opened.origin(1);
  volume->resize(kGrown, false);
  BOOST_TEST(volume->info().size_bytes.value() == kGrown);
  volume->start();
  BOOST_TEST(pool.observe() ==
             "private-dirty.img C/2097152, private.img C/2097152, private.img.1@B B");
}

// We grow the precache and rename it: cut off before that, it has the wrong size.
BOOST_DATA_TEST_CASE(W18_precache_resized_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').image("-precache.img", 'C', kGrown);
  BOOST_TEST(pool.observe() ==
             "private-precache.img C/2097152 (stale), private.img C, private.img.1@B B");
  Opened(pool).origin(1)->start();
  BOOST_TEST(pool.observe() == "private-dirty.img C, private.img C, private.img.1@B B");
}

// We cut by way of I, so that a revision keeps the end.
BOOST_DATA_TEST_CASE(W18_shrink_not_published_as_we_do, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').image("-import.img", 'C', kCut).our_revision(2);
  boot(pool, 1);
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@B B");
  Opened(pool).origin(1)->resize(kCut, true);
  BOOST_TEST(pool.observe() == "private.img C/262144, private.img.2@C C");
}

BOOST_DATA_TEST_CASE(W19_create_over_half_removed_leftovers, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.image("-precache.img", 'C').temporary("-precache.img", 'C').import('I');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  BOOST_TEST(code_thrown([&] { volume->start(); }) == value(Code::not_found));
  BOOST_TEST(code_thrown([&] { volume->verify(); }) == value(Code::not_found));
  BOOST_TEST(pool.observe() == "private-precache.img C (stale)");  // all that there is
  volume->create();
  BOOST_TEST(pool.observe() == "private.img -");
  volume->start();
  BOOST_TEST(pool.observe() == "private-dirty.img -, private.img -");
}

// A session may be somebody's data: create does not remove it unasked, as the peer does.
BOOST_DATA_TEST_CASE(W19_create_over_a_session, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.dirty('D').image("-precache.img", 'C');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  BOOST_TEST(code_thrown([&] { volume->create(); }) == value(Code::exists));
  BOOST_TEST(pool.observe().find("private-dirty.img D") == 0u);
  volume->remove();
  BOOST_TEST(pool.observe() == "");
  volume->create();
  BOOST_TEST(pool.observe() == "private.img -");
}

BOOST_DATA_TEST_CASE(W19_create_not_published, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.temporary(".img", '-');
  Opened(pool).origin(1)->create();
  BOOST_TEST(pool.observe() == "private.img -");
}

void check_removed_again(PoolBuilder& pool) {
  BOOST_TEST(code_thrown([&] { Opened(pool).origin(1)->remove(); }) == 0);
  BOOST_TEST(pool.observe() == "");
}

BOOST_DATA_TEST_CASE(W20_half_removed_is_removed_again, kDiskKinds, kind) {
  PoolBuilder precache(mounted(kind));
  check_removed_again(precache.image("-precache.img", 'C'));
  PoolBuilder both(mounted(kind));
  check_removed_again(both.image("-precache.img", 'C').dirty('D'));
  PoolBuilder dirty(mounted(kind));
  check_removed_again(dirty.dirty('D'));
}

// Between the two, the daemon stops all volumes: what is left of this one must not come to life
// again for good.
BOOST_DATA_TEST_CASE(W20_half_removed_is_stopped_and_removed_again, kDiskKinds, kind) {
  PoolBuilder precache(mounted(kind));
  precache.image("-precache.img", 'C');
  BOOST_TEST(code_thrown([&] { boot(precache, 1); }) == value(Code::not_found));
  BOOST_TEST(precache.observe() == "private-precache.img C (stale)");
  check_removed_again(precache);

  PoolBuilder dirty(mounted(kind));
  dirty.image("-precache.img", 'C').dirty('D');
  boot(dirty, 1);
  BOOST_TEST(dirty.observe() == "private.img D");
  check_removed_again(dirty);
}

BOOST_DATA_TEST_CASE(W20_as_we_do, kDiskKinds, kind) {
  PoolBuilder pruned(mounted(kind));
  check_removed_again(pruned.clean('C').precache().dirty('D'));
  PoolBuilder clean(mounted(kind));
  clean.clean('C');
  boot(clean, 1);
  BOOST_TEST(clean.observe() == "private.img C");
  check_removed_again(clean);
}

// All files are gone, the directory is not. Whatever a second remove says, it must not leave that.
BOOST_DATA_TEST_CASE(W20_only_the_directory_is_left, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.directory("appvms/work");
  const int code = code_thrown([&] { Opened(pool).origin(1)->remove(); });
  BOOST_TEST((code == 0 || code == value(Code::not_found)));
  BOOST_TEST(pool.observe() == "");
}

BOOST_DATA_TEST_CASE(W20_only_an_import_is_left, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.import('I').temporary(".img", 'C');
  const int code = code_thrown([&] { Opened(pool).origin(1)->remove(); });
  BOOST_TEST((code == 0 || code == value(Code::not_found)));
  BOOST_TEST(pool.observe() == "");
}

// What it goes on writing is hidden space until it ends; no name of it may come back.
BOOST_DATA_TEST_CASE(W21_copy_that_outlives_its_daemon, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C').temporary("-dirty.img", '-', 4096);
  const UniqueFd copying = open_at(AT_FDCWD, pool.file("-dirty.img~k3_x9ab0").c_str(), O_WRONLY);
  BOOST_REQUIRE(bool(copying));
  Opened opened(pool);
  const auto volume = opened.origin(1);
  volume->start();
  BOOST_TEST(::pwrite(copying.get(), "late", 4, 0) == 4);
  BOOST_TEST(pool.observe() == "private-dirty.img C, private.img C, private.img.1@B B");
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@B B");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
