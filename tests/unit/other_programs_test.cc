// SPDX-License-Identifier: LGPL-2.1-or-later
// What a program still has in hand while another one works on the same pool.
#include <boost/test/unit_test.hpp>

#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

constexpr const char* kTemplate = "vm-templates/debian/root";
constexpr const char* kRoot = "appvms/work/root";

// `pool` is that of the first program.
struct OtherPrograms : RecordedPool {
  OtherPrograms() : RecordedPool(FilesystemKind::btrfs) {}

  std::unique_ptr<Pool> other_program() {
    PoolConfig config;
    config.dir_path = dir_path;
    config.precache = false;
    return std::make_unique<Pool>(config, fs, Worker::Mode::on_drain);
  }
};

BOOST_FIXTURE_TEST_SUITE(other_programs, OtherPrograms)

BOOST_AUTO_TEST_CASE(a_precache_of_a_snapshot_that_waits_spares_an_origin_of_that_name) {
  session(*created(kTemplate), "template");
  auto root = snapshot(kRoot, kTemplate);
  root->start();
  root->stop();  // From now on the worker has a precache to make.

  auto other = other_program();
  VolumeConfig config;
  config.size_bytes = 64 * 1024;
  config.rw = config.save_on_stop = true;
  config.revisions_to_keep = 0;
  auto origin = other->volume(kRoot, config);
  origin->create();
  session(*origin, "the only copy");

  drain();
  BOOST_TEST(read(kRoot, ".img") == "the only copy");
  BOOST_TEST(!exists(kRoot, "-precache.img"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
