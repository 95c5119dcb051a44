// SPDX-License-Identifier: LGPL-2.1-or-later
// Directories, their locks, and what is told about what is there, on real filesystems.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <csignal>

#include "src/fs/descriptor.h"
#include "tests/real/fs_place.h"
#include "tests/support/process.h"

namespace qubes::storage::test {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

BOOST_AUTO_TEST_SUITE(fs_directories)

// ---- Directories ----------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(directories_are_made_and_removed, kAllKinds, kind) {
  const Place place(kind);
  BOOST_TEST(place.fs->make_directory(*place.directory, "vm"));
  BOOST_TEST(!place.fs->make_directory(*place.directory, "vm"));
  const DirectoryPtr vm = place.fs->open_directory(*place.directory, "vm");
  BOOST_TEST(vm->path() == (place / "vm"));
  write_file(place / "vm/file", "x");
  BOOST_TEST(!place.fs->remove_directory(*place.directory, "vm"));  // not empty
  place.fs->unlink(*vm, "file");
  BOOST_TEST(place.fs->remove_directory(*place.directory, "vm"));
  BOOST_TEST(!place.fs->remove_directory(*place.directory, "vm"));  // absent
  BOOST_TEST(code_thrown([&] { place.fs->open_directory(*place.directory, "vm"); }) ==
             value(Code::not_found));
  BOOST_TEST(code_thrown([&] { place.fs->open_directory(place / "vm"); }) ==
             value(Code::not_found));
}

BOOST_AUTO_TEST_CASE(what_is_no_directory_is_corrupt) {
  const Place place(FilesystemKind::xfs);
  write_file(place / "file", "");
  BOOST_REQUIRE(::symlink("..", (place / "link").c_str()) == 0);
  for (const char* const name : {"file", "link"}) {
    BOOST_TEST(code_thrown([&] { place.fs->open_directory(*place.directory, name); }) ==
               value(Code::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(names_cannot_lead_out_of_the_directory) {
  using namespace std::string_literals;
  const Place place(FilesystemKind::xfs);
  for (const std::string& name : {""s, "."s, ".."s, "../x"s, "a/b"s, "/"s, "a\0b"s}) {
    BOOST_TEST_CONTEXT(quoted(name)) {
      const auto refused = [&](auto call) { return code_thrown(call) == value(Code::invalid); };
      Filesystem& fs = *place.fs;
      const Directory& directory = *place.directory;
      BOOST_TEST(refused([&] { fs.make_directory(directory, name); }));
      BOOST_TEST(refused([&] { fs.remove_directory(directory, name); }));
      BOOST_TEST(refused([&] { fs.status(directory, name); }));
      BOOST_TEST(refused([&] { fs.open_file(directory, name, Access::read); }));
      BOOST_TEST(refused([&] { fs.create_unnamed(directory, name); }));
      BOOST_TEST(refused([&] { fs.rename(directory, name, "x"); }));
      BOOST_TEST(refused([&] { fs.rename(directory, "x", name); }));
      BOOST_TEST(refused([&] { fs.link(directory, name, directory, "x"); }));
      BOOST_TEST(refused([&] { fs.unlink(directory, name); }));
    }
  }
}

BOOST_DATA_TEST_CASE(listing_is_whole_each_time, kAllKinds, kind) {
  const Place place(kind);
  std::vector<std::string> expected;
  for (int i = 100; i < 400; ++i) {
    expected.push_back("file-" + std::to_string(i));
    write_file(place / expected.back(), "");
  }
  check_names(place, expected);
  check_names(place, expected);
}

BOOST_DATA_TEST_CASE(directory_lock_excludes_other_objects_and_processes, kAllKinds, kind) {
  const Place place(kind);
  const auto is_free = [&] {
    const UniqueFd fd = open_at(AT_FDCWD, place.scratch.path().c_str(), O_RDONLY | O_DIRECTORY);
    return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  };
  DirectoryPtr locked = place.fs->open_directory(place.scratch.path());
  place.fs->lock(*locked);
  BOOST_TEST(!is_free());
  BOOST_TEST(!true_in_child(is_free));
  locked.reset();
  BOOST_TEST(is_free());
  BOOST_TEST(true_in_child(is_free));
}

volatile std::sig_atomic_t g_alarms = 0;

BOOST_AUTO_TEST_CASE(lock_is_waited_for_across_signals) {
  const Place place(FilesystemKind::xfs);
  int ready[2];
  BOOST_REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const UniqueFd reader(ready[0]);
  const UniqueFd writer(ready[1]);
  const pid_t child = ::fork();
  BOOST_REQUIRE(child != -1);
  if (child == 0) {
    const DirectoryPtr directory = place.fs->open_directory(place.scratch.path());
    place.fs->lock(*directory);
    const bool told = ::write(writer.get(), "x", 1) == 1;
    ::usleep(300'000);
    ::_exit(told ? 0 : 1);
  }
  char byte = 0;
  BOOST_REQUIRE(::read(reader.get(), &byte, 1) == 1);

  struct sigaction action {};  // no SA_RESTART: each alarm makes flock(2) return EINTR
  struct sigaction action_before {};
  action.sa_handler = [](int) { g_alarms = g_alarms + 1; };
  ::sigaction(SIGALRM, &action, &action_before);
  const struct itimerval each_20_ms {
    {0, 20'000}, { 0, 20'000 }
  };
  const struct itimerval never {};
  ::setitimer(ITIMER_REAL, &each_20_ms, nullptr);
  place.fs->lock(*place.directory);
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &action_before, nullptr);

  BOOST_TEST(g_alarms >= 3);
  int status = -1;
  BOOST_TEST(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

// ---- What is there --------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(status_tells_what_is_there, kAllKinds, kind) {
  const Place place(kind);
  BOOST_TEST(!place.fs->status(*place.directory, "file"));
  const FilePtr file = place.make("file", std::string(10'000, 'x'));
  place.fs->sync(*file);
  place.fs->set_mtime(*file, 1'234'567'890'123'456'789);
  place.fs->link(*place.directory, "file", *place.directory, "second");

  const auto status = place.fs->status(*place.directory, "file");
  BOOST_REQUIRE(status.has_value());
  BOOST_TEST(status->size_bytes == 10'000u);
  BOOST_TEST(status->allocated_bytes >= 10'000u);
  BOOST_TEST(status->allocated_bytes <= 64u * 1024);
  BOOST_TEST(status->mtime_ns == 1'234'567'890'123'456'789);
  BOOST_TEST(status->ctime_ns > status->mtime_ns);
  BOOST_TEST(status->link_count == 2u);
  BOOST_TEST(status->is_regular);
  BOOST_TEST(!status->is_directory);
  BOOST_TEST(status->same_inode(place.fs->status(*file)));
  BOOST_TEST(status->same_inode(*place.fs->status(*place.directory, "second")));
  BOOST_TEST(!status->same_inode(place.fs->status(*place.directory)));
  BOOST_TEST(place.fs->status(*place.directory).is_directory);
}

BOOST_AUTO_TEST_CASE(status_does_not_follow_links) {
  const Place place(FilesystemKind::xfs);
  write_file(place / "file", "x");
  BOOST_REQUIRE(::symlink("file", (place / "link").c_str()) == 0);
  BOOST_TEST(!place.fs->status(*place.directory, "link")->is_regular);
}

BOOST_DATA_TEST_CASE(times_before_the_epoch_survive, kDiskKinds, kind) {
  const Place place(kind);
  const FilePtr file = place.make("file", "x");
  place.fs->set_mtime(*file, -1'500'000'001);
  BOOST_TEST(place.fs->status(*file).mtime_ns == -1'500'000'001);
}

BOOST_DATA_TEST_CASE(kind_is_known, kAllKinds, kind) {
  const Place place(kind);
  BOOST_TEST(place.fs->kind(*place.directory) == kind);
}

BOOST_AUTO_TEST_CASE(ext4_without_journal_is_other) {
  const LoopMount mount(FilesystemKind::ext4, 64 * kMebibyte, {"-O", "^has_journal"});
  const Place place(mount);
  BOOST_TEST(place.fs->kind(*place.directory) == FilesystemKind::other);
}

// On a filesystem of its own: on the shared one the space of what other tests removed comes back
// late.
BOOST_DATA_TEST_CASE(space_grows_with_a_file, kAllKinds, kind) {
  const LoopMount mount(kind);
  const Place place(mount);
  const Space before = place.fs->space(*place.directory);
  BOOST_TEST(before.total_bytes > 300 * kMebibyte);
  BOOST_TEST(before.used_bytes < before.total_bytes);
  write_file(place / "file", pattern(32 * kMebibyte));
  free_bytes(place.scratch.path());  // syncs: Btrfs counts late
  const Space after = place.fs->space(*place.directory);
  BOOST_TEST(after.total_bytes == before.total_bytes);
  BOOST_TEST(after.used_bytes >= before.used_bytes + 31 * kMebibyte);
}

BOOST_DATA_TEST_CASE(reflink_is_tried_and_leaves_nothing, kAllKinds, kind) {
  const Place place(kind);
  const bool expected = kind == FilesystemKind::xfs || kind == FilesystemKind::btrfs;
  BOOST_TEST(place.fs->reflink_works(*place.directory, *place.directory) == expected);
  check_names(place, {});
}

BOOST_AUTO_TEST_CASE(reflink_across_filesystems_does_not_work) {
  const Place xfs(FilesystemKind::xfs);
  const Place btrfs(FilesystemKind::btrfs);
  BOOST_TEST(!xfs.fs->reflink_works(*xfs.directory, *btrfs.directory));
  BOOST_TEST(!xfs.fs->reflink_works(*btrfs.directory, *xfs.directory));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
