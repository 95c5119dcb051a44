// SPDX-License-Identifier: LGPL-2.1-or-later
// What a program still has in hand while another one, or a person, works on the same pool.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "src/fs/error.h"
#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

constexpr const char* kTemplate = "vm-templates/debian/root";
constexpr const char* kRoot = "appvms/work/root";
constexpr const char* kVid = "appvms/work/private";

// Somebody does something in the middle of a clone.
class InterruptedFilesystem final : public ForwardingFilesystem {
 public:
  using ForwardingFilesystem::ForwardingFilesystem;

  bool clone(File& source, File& target, const Progress& progress) override {
    interrupt();
    return inner().clone(source, target, progress);
  }
  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override {
    interrupt();
    return inner().clone_shared(source, target, from, progress);
  }

  std::function<void()> interruption;

 private:
  void interrupt() {
    if (auto now = std::exchange(interruption, nullptr)) now();
  }
};

// `pool` is that of another program.
struct OtherPrograms : RecordedPool {
  OtherPrograms()
      : RecordedPool(FilesystemKind::btrfs),
        interrupted(std::make_shared<InterruptedFilesystem>(fs)) {
    PoolConfig config;
    config.dir_path = dir_path;
    first = std::make_unique<Pool>(config, interrupted, Worker::Mode::on_drain);
  }

  static VolumeConfig saved(int revisions_to_keep = 1) {
    VolumeConfig config;
    config.size_bytes = 64 * 1024;
    config.rw = config.save_on_stop = true;
    config.revisions_to_keep = revisions_to_keep;
    return config;
  }

  static std::ptrdiff_t open_descriptors() {
    std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  }

  std::shared_ptr<InterruptedFilesystem> interrupted;
  std::unique_ptr<Pool> first;
};

BOOST_FIXTURE_TEST_SUITE(other_programs, OtherPrograms)

BOOST_AUTO_TEST_CASE(a_precache_of_a_snapshot_that_waits_spares_an_origin_of_that_name) {
  session(*created(kTemplate), "template");
  VolumeConfig config;
  config.snap_on_start = true;
  config.source = kTemplate;
  auto root = first->volume(kRoot, config);
  root->start();
  root->stop();  // From now on the worker has a precache to make.

  auto origin = pool->volume(kRoot, saved(0));
  origin->create();
  origin->start();
  write_session(kRoot, "the only copy");
  origin->stop();

  first->drain();
  BOOST_TEST(read(kRoot, ".img") == "the only copy");
  BOOST_TEST(!exists(kRoot, "-precache.img"));
}

BOOST_AUTO_TEST_CASE(a_precache_of_what_was_removed_meanwhile_keeps_no_descriptor) {
  const auto before = open_descriptors();
  first->volume(kVid, saved())->create();
  interrupted->interruption = [&] { origin(kVid)->remove(); };
  first->drain();
  drain();
  BOOST_TEST(!interrupted->interruption, "no precache was made");
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(an_import_that_is_copied_is_not_replaced_after_its_file_was_removed) {
  session(*created(kTemplate), "template");
  auto volume = first->volume(kVid, saved());
  volume->create();
  interrupted->interruption = [&] {
    std::filesystem::remove(file(kVid, "-import.img"));
    try {
      volume->import_begin(4096);
      BOOST_ERROR("it was not refused");
      std::_Exit(1);  // what is copied into does not exist any more
    } catch (const Error& error) {
      BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(Code::busy), error.what());
    }
  };
  BOOST_CHECK_THROW(volume->import_volume(*origin(kTemplate), nullptr), Error);
  BOOST_TEST(!exists(kVid, "-import.img"));
  volume->import_volume(*origin(kTemplate), nullptr);
  BOOST_TEST(read(kVid, ".img") == "template");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
