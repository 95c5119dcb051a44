// SPDX-License-Identifier: LGPL-2.1-or-later
// How many syncs each operation may cost: half the flush requests of the table in the design, since
// a sync is up to two. tests/cli counts the requests themselves on a device.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

constexpr const char* kVid = "appvms/work/private";

struct Budget {
  FilesystemKind kind;
  const char* name;
  std::size_t commit;  // stop with a revision and a prune; import begin and end
  std::size_t revert;
  std::size_t create;  // with one of the directory above, which is free if that has not changed
};

std::ostream& operator<<(std::ostream& out, const Budget& budget) {
  return out << budget.name;
}

const Budget kBudgets[] = {{FilesystemKind::xfs, "xfs", 2, 1, 2},
                           {FilesystemKind::ext4, "ext4", 2, 1, 2},
                           {FilesystemKind::btrfs, "btrfs", 3, 2, 3},
                           {FilesystemKind::other, "other", 3, 2, 3}};

template <typename Operation>
std::size_t cost(RecordedPool& pool, Operation&& operation) {
  pool.take();
  operation();
  return count_syncs(pool.take());
}

BOOST_AUTO_TEST_SUITE(budgets)

BOOST_DATA_TEST_CASE(sessions, kBudgets, budget) {
  RecordedPool pool(budget.kind);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  BOOST_TEST(cost(pool, [&] { volume->start(); }) == 1u);
  pool.write_session(kVid, "two");
  BOOST_TEST(cost(pool, [&] { volume->stop(); }) == budget.commit);
  BOOST_TEST(cost(pool, [&] { volume->start(); }) == 2u);  // the precache was not made yet
  BOOST_TEST(cost(pool, [&] { volume->discard(); }) == 1u);
}

BOOST_DATA_TEST_CASE(sessions_that_are_thrown_away, kBudgets, budget) {
  RecordedPool pool(budget.kind);
  auto source = pool.created("vm-templates/debian/root");
  auto snapshot = pool.snapshot("appvms/work/root", "vm-templates/debian/root");
  auto scratch = pool.volatile_volume("appvms/work/volatile");
  BOOST_TEST(cost(pool, [&] { snapshot->start(); }) == 0u);
  BOOST_TEST(cost(pool, [&] { snapshot->resize(1 << 20, false); }) == 0u);
  BOOST_TEST(cost(pool, [&] { snapshot->stop(); }) == 0u);
  BOOST_TEST(cost(pool, [&] { scratch->start(); }) == 0u);
  BOOST_TEST(cost(pool, [&] { scratch->stop(); }) == 0u);
}

BOOST_DATA_TEST_CASE(changes_without_a_session, kBudgets, budget) {
  RecordedPool pool(budget.kind);
  auto volume = pool.created(kVid);
  pool.session(*volume, "one");
  BOOST_TEST(cost(pool, [&] { volume->revert(0); }) == budget.revert);
  pool.drain();
  BOOST_TEST(cost(pool, [&] { volume->resize(1 << 20, false); }) == 2u);
  BOOST_TEST(cost(pool, [&] { volume->resize(1 << 21, false); }) == 2u);  // without a precache
  pool.drain();
  BOOST_TEST(cost(pool, [&] { volume->import_begin(1 << 20); }) == 0u);
  BOOST_TEST(cost(pool, [&] { volume->import_end(true); }) == budget.commit);
}

BOOST_DATA_TEST_CASE(create_and_remove, kBudgets, budget) {
  RecordedPool pool(budget.kind);
  pool.created("appvms/work/other");  // the directory of the VM is there already
  auto volume = pool.origin(kVid);
  BOOST_TEST(cost(pool, [&] { volume->create(); }) == budget.create);
  BOOST_TEST(cost(pool, [&] { volume->remove(); }) <= 2u);
}

BOOST_DATA_TEST_CASE(looking_costs_nothing, kBudgets, budget) {
  RecordedPool pool(budget.kind);
  auto volume = pool.created(kVid);
  pool.take();
  volume->info();
  volume->revisions();
  volume->verify();
  pool.pool->list();
  pool.pool->recover();
  volume->open_committed();
  BOOST_TEST(lines(pool.take()) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
