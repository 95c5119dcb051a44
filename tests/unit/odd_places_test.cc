// SPDX-License-Identifier: LGPL-2.1-or-later
// Pools in unusual places or with unusual files in them.
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "src/fs/error.h"
#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

namespace stdfs = std::filesystem;

constexpr const char* kVid = "appvms/work/private";

// Some things fail in it.
class PoorFilesystem final : public ForwardingFilesystem {
 public:
  using ForwardingFilesystem::ForwardingFilesystem;

  std::vector<std::string> list(const Directory& directory) override {
    if (directory.path().ends_with("/broken")) throw_errno(EIO, "list", directory.path());
    return inner().list(directory);
  }
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override {
    if (!links_across && from_directory.path() != to_directory.path()) {
      throw_errno(EXDEV, "link", to);
    }
    inner().link(from_directory, from, to_directory, to);
  }

  bool links_across = true;
};

struct OddPlaces : RecordedPool {
  OddPlaces()
      : RecordedPool(FilesystemKind::xfs),
        poor_fs(std::make_shared<PoorFilesystem>(fs)),
        poor(open(dir_path, poor_fs)) {}

  static std::unique_ptr<Pool> open(const std::string& path, std::shared_ptr<Filesystem> fs) {
    PoolConfig config;
    config.dir_path = path;
    config.setup_check = false;
    return std::make_unique<Pool>(config, std::move(fs), Worker::Mode::on_drain);
  }

  std::shared_ptr<PoorFilesystem> poor_fs;
  std::unique_ptr<Pool> poor;
};

BOOST_FIXTURE_TEST_SUITE(odd_places, OddPlaces)

BOOST_AUTO_TEST_CASE(a_pool_is_set_up_through_a_symbolic_link) {
  created(kVid);
  stdfs::remove(dir_path + "/vm-templates");
  const std::string link = dir_path + "/appvms/link";
  stdfs::create_directory_symlink(dir_path, link);
  open(link, fs)->setup();
  BOOST_TEST(stdfs::is_directory(dir_path + "/vm-templates"));
  BOOST_TEST(open(link, fs)->list() == std::vector<std::string>{kVid},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_read_does_not_keep_others_from_recovery) {
  created(kVid);
  created("appvms/broken/private");
  std::ofstream(file(kVid, "-dirty.img~abcdefgh")).flush();
  const auto report = poor->recover();
  BOOST_REQUIRE(report.size() == 2u);
  BOOST_TEST(report[0].vid == "appvms/broken");
  BOOST_TEST(report[0].action == "could not be recovered");
  BOOST_TEST(report[1].vid == kVid);
  BOOST_TEST(!exists(kVid, "-dirty.img~abcdefgh"));
  BOOST_CHECK_THROW(poor->list(), Error);
}

BOOST_AUTO_TEST_CASE(a_snapshot_that_could_not_be_linked_was_not_started) {
  created("vm-templates/debian/root");
  VolumeConfig config;
  config.snap_on_start = true;
  config.source = "vm-templates/debian/root";
  auto root = poor->volume("appvms/work/root", config);
  poor_fs->links_across = false;
  BOOST_CHECK_THROW(root->start(), Error);
  BOOST_TEST(!root->info().is_started);
  poor_fs->links_across = true;
  root->start();
  BOOST_TEST(root->info().is_started);
}

BOOST_AUTO_TEST_CASE(a_revision_may_be_from_a_year_that_nanoseconds_cannot_tell) {
  auto volume = created(kVid);
  for (const char* name : {".img.1@0001-01-01T00:00:00Z", ".img.2@9999-12-31T23:59:59Z"}) {
    std::ofstream(file(kVid, name)).flush();
  }
  const auto revisions = volume->revisions();
  BOOST_REQUIRE(revisions.size() == 2u);
  BOOST_TEST(revisions[0].created_ns == -9223372036000000000);
  BOOST_TEST(revisions[1].created_ns == 9223372036000000000);
}

BOOST_AUTO_TEST_CASE(many_leftovers_do_not_use_up_the_descriptors) {
  auto volume = created(kVid);
  for (int i = 0; i < 400; ++i) {
    std::ofstream(file(kVid, ".img~" + std::to_string(10'000'000 + i))).flush();
  }
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few{128, before.rlim_max};
  BOOST_REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  BOOST_CHECK_NO_THROW(volume->start());
  setrlimit(RLIMIT_NOFILE, &before);
  drain();
  const auto left = listing("appvms/work");
  BOOST_TEST(left == (std::vector<std::string>{"private-dirty.img", "private.img"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
