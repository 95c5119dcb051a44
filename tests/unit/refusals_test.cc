// SPDX-License-Identifier: LGPL-2.1-or-later
// Every refusal: its code, and that nothing on disk has changed.
#include <sys/stat.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "src/fs/error.h"
#include "tests/unit/recorded_pool.h"

namespace qubes::storage {
namespace {

constexpr const char* kVid = "appvms/work/private";

// Names, inodes, sizes, mtimes.
std::string picture(const std::string& directory) {
  std::ostringstream text;
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};
    lstat(entry.path().c_str(), &status);
    std::ostringstream line;
    line << entry.path().string() << ' ' << status.st_ino << ' ' << status.st_nlink;
    if (S_ISREG(status.st_mode)) line << ' ' << status.st_size << ' ' << status.st_mtim.tv_nsec;
    files.insert(line.str());
  }
  for (const auto& line : files) text << line << '\n';
  return text.str();
}

void check_refused(RecordedPool& pool, Code code, const std::function<void()>& operation) {
  const std::string before = picture(pool.dir_path);
  try {
    operation();
    BOOST_ERROR("it was not refused");
  } catch (const Error& error) {
    BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(code), error.what());
    BOOST_TEST(!error.step().empty());
    BOOST_TEST(!error.path().empty());
    BOOST_TEST(std::string(error.what()).find(error.step()) != std::string::npos);
  }
  BOOST_TEST(picture(pool.dir_path) == before);
}

struct Refusals : RecordedPool {
  Refusals() : RecordedPool(FilesystemKind::btrfs) {}
};

BOOST_FIXTURE_TEST_SUITE(refusals, Refusals)

BOOST_AUTO_TEST_CASE(what_is_not_there) {
  auto volume = origin(kVid);
  check_refused(*this, Code::not_found, [&] { volume->start(); });
  check_refused(*this, Code::not_found, [&] { volume->stop(); });
  check_refused(*this, Code::not_found, [&] { volume->discard(); });
  check_refused(*this, Code::not_found, [&] { volume->remove(); });
  check_refused(*this, Code::not_found, [&] { volume->revert(0); });
  check_refused(*this, Code::not_found, [&] { volume->resize(1 << 20, true); });
  check_refused(*this, Code::not_found, [&] { volume->open_committed(); });
  check_refused(*this, Code::not_found, [&] { volume->verify(); });
  check_refused(*this, Code::not_found, [&] { volume->import_end(true); });
  check_refused(*this, Code::not_found,
                [&] { snapshot("appvms/x/root", "vm-templates/none/root")->start(); });
}

BOOST_AUTO_TEST_CASE(a_pool_that_is_absent_is_offline) {
  created(kVid);
  std::filesystem::rename(dir_path, dir_path + ".away");
  auto volume = origin(kVid);
  auto scratch = volatile_volume("appvms/work/volatile");
  for (const std::function<void()>& operation : std::vector<std::function<void()>>{
           [&] { volume->create(); }, [&] { volume->start(); }, [&] { volume->stop(); },
           [&] { volume->remove(); }, [&] { volume->verify(); }, [&] { scratch->create(); },
           [&] { scratch->start(); }, [&] { scratch->stop(); }, [&] { volume->import_begin(1); },
           [&] { volume->set_revisions_to_keep(-1); }, [&] { pool->list(); },
           [&] { pool->recover(); }, [&] { pool->included_in({"/"}); }}) {
    try {
      operation();
      BOOST_ERROR("it was not refused");
    } catch (const Error& error) {
      BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(Code::offline), error.what());
    }
  }
  BOOST_TEST(!pool->info().is_online);
  BOOST_TEST(!pool->info().size_bytes.has_value());
  BOOST_TEST(volume->info().size_bytes.value() == 64u * 1024);  // the nominal one
  BOOST_TEST(!volume->info().usage_bytes.has_value());
  std::filesystem::create_directory(dir_path);  // an empty mount point
  check_refused(*this, Code::offline, [&] { volume->create(); });
  std::filesystem::remove(dir_path);
  std::filesystem::rename(dir_path + ".away", dir_path);
  volume->start();
}

BOOST_AUTO_TEST_CASE(a_volume_that_exists_is_not_created_again) {
  auto volume = created(kVid);
  check_refused(*this, Code::exists, [&] { volume->create(); });
  volume->start();
  check_refused(*this, Code::exists, [&] { volume->create(); });
}

BOOST_AUTO_TEST_CASE(while_there_is_a_session) {
  auto volume = created(kVid);
  session(*volume, "one");
  volume->start();
  check_refused(*this, Code::dirty, [&] { volume->revert(0); });
  check_refused(*this, Code::dirty, [&] { volume->import_begin(4096); });
  check_refused(*this, Code::dirty, [&] { volume->set_revisions_to_keep(-1); });
  check_refused(*this, Code::dirty, [&] { volume->import_volume(*origin(kVid), nullptr); });
}

BOOST_AUTO_TEST_CASE(while_an_import_is_held) {
  auto volume = created(kVid);
  volume->import_begin(4096);
  auto other = origin(kVid);
  check_refused(*this, Code::busy, [&] { other->start(); });
  check_refused(*this, Code::busy, [&] { volume->start(); });
  check_refused(*this, Code::busy, [&] { other->import_begin(1); });
  check_refused(*this, Code::exists, [&] { other->create(); });
  check_refused(*this, Code::busy, [&] { other->remove(); });
  check_refused(*this, Code::not_found, [&] { other->import_end(true); });
  auto fresh = origin("appvms/work/fresh");
  fresh->import_begin(4096);
  check_refused(*this, Code::busy, [&] { origin("appvms/work/fresh")->create(); });
  volume.reset();  // gives it up
  other->start();
  BOOST_TEST(!exists(kVid, "-import.img"));
}

BOOST_AUTO_TEST_CASE(sizes) {
  auto volume = created(kVid);
  check_refused(*this, Code::invalid, [&] { volume->resize(4096, false); });
  check_refused(*this, Code::invalid, [&] { volume->resize(kSizeMax + 1, true); });
  check_refused(*this, Code::invalid, [&] { volume->import_begin(kSizeMax + 1); });
  volume->start();
  check_refused(*this, Code::invalid, [&] { volume->resize(4096, false); });
  volume->set_rw(false);
  check_refused(*this, Code::read_only, [&] { volume->resize(1 << 20, false); });
  auto scratch = volatile_volume("appvms/work/volatile");
  check_refused(*this, Code::invalid, [&] { scratch->resize(4096, false); });
  auto small = snapshot("appvms/work/root", kVid);
  check_refused(*this, Code::invalid, [&] { small->resize(4096, true); });
}

BOOST_AUTO_TEST_CASE(revisions) {
  auto volume = created(kVid);
  check_refused(*this, Code::not_found, [&] { volume->revert(0); });
  check_refused(*this, Code::not_found, [&] { volume->revert(1); });
  check_refused(*this, Code::invalid, [&] { volume->prune(-1); });
  auto scratch = volatile_volume("appvms/work/volatile");
  check_refused(*this, Code::not_supported, [&] { scratch->revert(0); });
  check_refused(*this, Code::not_supported, [&] { scratch->prune(0); });
  check_refused(*this, Code::not_supported, [&] { scratch->open_committed(); });
}

BOOST_AUTO_TEST_CASE(snapshots_disabled) {
  auto volume = created(kVid, -1);
  {
    auto reader = volume->open_committed();
    check_refused(*this, Code::busy, [&] { volume->start(); });
  }
  auto user = snapshot("appvms/x/root", kVid);
  volume->start();
  check_refused(*this, Code::not_supported, [&] { volume->discard(); });
  check_refused(*this, Code::dirty, [&] { volume->open_committed(); });
  check_refused(*this, Code::dirty, [&] { user->start(); });
  check_refused(*this, Code::dirty, [&] { volume->set_revisions_to_keep(1); });
  // It crashed, and the configuration came to say something else: the session is all there is.
  auto later = origin(kVid, 1);
  check_refused(*this, Code::not_supported, [&] { later->discard(); });
  later->stop();
  BOOST_TEST(exists(kVid, ".img"));
}

BOOST_AUTO_TEST_CASE(a_saved_volume_is_not_mistaken_for_one_that_is_thrown_away) {
  auto source = created("vm-templates/debian/root", 0);
  session(*source, "source");
  auto volume = created(kVid);
  auto as_volatile = volatile_volume(kVid);
  auto as_snapshot = snapshot(kVid, "vm-templates/debian/root");
  check_refused(*this, Code::invalid, [&] { as_volatile->start(); });
  check_refused(*this, Code::invalid, [&] { as_volatile->stop(); });
  check_refused(*this, Code::invalid, [&] { as_snapshot->start(); });
  as_snapshot->stop();  // there is no session: nothing to do
  BOOST_TEST(exists(kVid, ".img"));
  session(*volume, "one");
  volume->start();
  check_refused(*this, Code::invalid, [&] { as_volatile->stop(); });
  check_refused(*this, Code::invalid, [&] { as_snapshot->stop(); });
}

BOOST_AUTO_TEST_CASE(configurations) {
  auto check = [&](auto&& change) {
    VolumeConfig config;
    change(config);
    check_refused(*this, Code::invalid, [&] { pool->volume(kVid, config); });
  };
  check([](VolumeConfig& c) { c.snap_on_start = true; });
  check([](VolumeConfig& c) { c.source = "appvms/a/b"; });
  check([](VolumeConfig& c) { c.snap_on_start = true, c.source = kVid; });
  check([](VolumeConfig& c) { c.snap_on_start = true, c.source = "../../etc/passwd"; });
  check([](VolumeConfig& c) { c.revisions_to_keep = -2; });
  check([](VolumeConfig& c) { c.revisions_to_keep = -1; });
  check([](VolumeConfig& c) { c.size_bytes = kSizeMax + 1; });
  check([](VolumeConfig& c) { c.ephemeral = true; });
  check([](VolumeConfig& c) { c.ephemeral = c.rw = c.save_on_stop = true; });
}

BOOST_AUTO_TEST_CASE(what_is_not_a_regular_file) {
  auto volume = created(kVid);
  std::filesystem::create_directory(file(kVid, "-dirty.img"));
  check_refused(*this, Code::corrupt, [&] { volume->start(); });
  std::filesystem::remove(file(kVid, "-dirty.img"));
  std::filesystem::rename(file(kVid, ".img"), file(kVid, ".away"));
  std::filesystem::create_symlink("/etc/passwd", file(kVid, ".img"));
  check_refused(*this, Code::corrupt, [&] { volume->start(); });
  check_refused(*this, Code::corrupt, [&] { volume->open_committed(); });
  BOOST_TEST(!volume->info().usage_bytes.has_value());
}

BOOST_AUTO_TEST_CASE(a_directory_that_looks_like_a_revision_does_not_keep_a_session_from_its_end) {
  auto volume = created(kVid);
  std::filesystem::create_directory(file(kVid, ".img.1@2020-01-01T00:00:00Z"));
  session(*volume, "one");
  BOOST_TEST(volume->revisions().size() == 1u);
  BOOST_TEST(volume->revisions().front().number == 2u);
}

// EIO, ENOSPC, EDQUOT: for the last two, too, the kernel may have dropped what was to be written
// (dm-thin without space says ENOSPC when it is written back).
BOOST_DATA_TEST_CASE(a_session_whose_sync_failed_is_not_committed_by_trying_again,
                     boost::unit_test::data::make({5, 28, 122}), errno_value) {
  auto volume = created(kVid);
  volume->start();
  write_session(kVid, "one");
  fs->fail_next_file_sync(errno_value);
  check_refused(*this, errno_value == 5 ? Code::io : Code::no_space, [&] { volume->stop(); });
  check_refused(*this, Code::io, [&] { volume->stop(); });
  volume->discard();
  volume->start();
  write_session(kVid, "two");
  volume->stop();
  BOOST_TEST(read(kVid, ".img") == "two");
}

BOOST_DATA_TEST_CASE(a_session_whose_sync_failed_in_a_resize_is_not_committed_either,
                     boost::unit_test::data::make({5, 28, 122}), errno_value) {
  auto volume = created(kVid);
  volume->start();
  write_session(kVid, "one");
  fs->fail_next_file_sync(errno_value);
  BOOST_CHECK_THROW(volume->resize(1 << 20, false), Error);
  check_refused(*this, Code::io, [&] { volume->stop(); });
  check_refused(*this, Code::io, [&] { volume->resize(1 << 20, false); });
  volume->discard();
  session(*volume, "two");
  BOOST_TEST(read(kVid, ".img") == "two");
}

// A process may have died after its own resize, and before that was durable.
BOOST_AUTO_TEST_CASE(a_resize_to_the_size_that_it_has_is_durable) {
  auto volume = created(kVid);
  volume->resize(64 * 1024, false);
  BOOST_TEST(count_syncs(take()) == 1u);
}

// Found by fuzzing: the copy went on in a file that the second import had closed.
BOOST_AUTO_TEST_CASE(a_second_import_while_the_first_is_copied_and_somebody_removed_its_file) {
  auto volume = created(kVid);
  auto source = created("appvms/work/other");
  session(*source, "imported");
  bool was_told = false;
  const Progress progress = [&](std::uint64_t, std::optional<std::uint64_t>) {
    if (was_told || !exists(kVid, "-import.img")) return;
    was_told = true;
    std::filesystem::remove(file(kVid, "-import.img"));
    check_refused(*this, Code::busy, [&] { volume->import_begin(4096); });
  };
  BOOST_CHECK_THROW(volume->import_volume(*source, progress), Error);
  BOOST_TEST(was_told);
  volume->import_begin(4096);  // the first is over
  volume->import_end(false);
}

BOOST_DATA_TEST_CASE(an_import_whose_sync_failed_is_not_committed_by_trying_again,
                     boost::unit_test::data::make({5, 28, 122}), errno_value) {
  auto volume = created(kVid);
  volume->import_begin(4096);
  fs->fail_next_file_sync(errno_value);
  const Code code = errno_value == 5 ? Code::io : Code::no_space;
  check_refused(*this, code, [&] { volume->import_end(true); });
  check_refused(*this, Code::io, [&] { volume->import_end(true); });
  volume->import_end(false);
  BOOST_TEST(!exists(kVid, "-import.img"));
}

BOOST_AUTO_TEST_CASE(an_import_whose_file_was_removed_is_over) {
  auto volume = created(kVid);
  volume->import_begin(4096);
  std::filesystem::remove(file(kVid, "-import.img"));
  check_refused(*this, Code::not_found, [&] { volume->import_end(true); });
  try {
    volume->import_end(false);
    BOOST_ERROR("it is still held");
  } catch (const Error& error) {
    BOOST_TEST(std::string(error.what()).find("holds no import") != std::string::npos);
  }
}

// ---- Cancels: between steps, as long as nothing was published ----

// Asks to stop when it is called for the n-th time.
Progress cancel_at(int n) {
  return [left = std::make_shared<int>(n)](std::uint64_t, std::optional<std::uint64_t>) {
    if (--*left == 0) refuse(Code::cancelled, "copy", "here", "it was asked to stop");
  };
}

BOOST_AUTO_TEST_CASE(a_cancel_while_the_session_is_synced) {
  auto volume = created(kVid);
  volume->start();
  write_session(kVid, "one");
  check_refused(*this, Code::cancelled, [&] { volume->stop(cancel_at(2)); });
  BOOST_TEST(lines(take()).find("sync private-dirty.img") != std::string::npos);
  volume->stop();
  BOOST_TEST(read(kVid, ".img") == "one");
}

BOOST_AUTO_TEST_CASE(a_cancelled_shrink_leaves_the_state_and_nothing_else) {
  auto volume = created(kVid);
  session(*volume, "one");
  const std::uint64_t size_bytes = volume->info().size_bytes.value();
  for (int n = 2; n <= 3; ++n) {
    BOOST_CHECK_THROW(volume->resize(size_bytes / 2, true, cancel_at(n)), Error);
    BOOST_TEST(volume->info().size_bytes.value() == size_bytes);
    BOOST_TEST(!exists(kVid, "-import.img"));
    BOOST_TEST(read(kVid, ".img") == "one");
  }
}

BOOST_AUTO_TEST_CASE(a_cancel_after_the_last_byte_of_a_copy) {
  auto volume = created(kVid);
  auto source = created("appvms/work/other");
  session(*source, "imported");
  int copied = 0;
  const Progress count = [&](std::uint64_t, std::optional<std::uint64_t>) { ++copied; };
  volume->import_volume(*source, count);
  session(*volume, "committed");
  // The last two calls ask before and after the sync.
  for (const int before_the_end : {1, 0}) {
    BOOST_CHECK_THROW(volume->import_volume(*source, cancel_at(copied - before_the_end)), Error);
    BOOST_TEST(read(kVid, ".img") == "committed");
    BOOST_TEST(!exists(kVid, "-import.img"));
  }
}

// ---- What no vid can name ----

BOOST_AUTO_TEST_CASE(names_with_control_characters_are_foreign) {
  created(kVid);
  const std::string vm = dir_path + "/appvms/with\na newline";
  std::filesystem::create_directory(vm);
  std::ofstream(vm + "/private.img") << "foreign";
  std::ofstream(dir_path + "/appvms/work/with\ta tab.img") << "foreign";
  BOOST_TEST(pool->list() == std::vector<std::string>{kVid}, boost::test_tools::per_element());
  BOOST_TEST(pool->recover().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage
