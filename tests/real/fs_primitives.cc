// SPDX-License-Identifier: LGPL-2.1-or-later
// Files, their names and what of them is durable, on real filesystems.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "src/fs/descriptor.h"
#include "src/fs/unnamed.h"
#include "tests/real/fs_place.h"
#include "tests/support/process.h"

namespace qubes::storage::test {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

BOOST_AUTO_TEST_SUITE(fs_primitives)

// ---- Files ----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(only_regular_files_are_opened, kAllKinds, kind) {
  const Place place(kind);
  write_file(place / "file", "x");
  BOOST_REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  BOOST_REQUIRE(::mkdir((place / "directory").c_str(), 0700) == 0);
  BOOST_REQUIRE(::symlink("file", (place / "link").c_str()) == 0);
  BOOST_REQUIRE(::mknod((place / "zero").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);
  BOOST_REQUIRE(::mknod((place / "socket").c_str(), S_IFSOCK | 0600, 0) == 0);
  for (const Access access : {Access::read, Access::read_write}) {
    for (const char* const name : {"fifo", "directory", "link", "zero", "socket"}) {
      BOOST_TEST_CONTEXT(name) {
        BOOST_TEST(code_thrown([&] { place.open(name, access); }) == value(Code::corrupt));
      }
    }
    BOOST_TEST(code_thrown([&] { place.open("absent", access); }) == value(Code::not_found));
    BOOST_TEST(code_thrown([&] { place.open("file", access); }) == 0);
  }
}

BOOST_AUTO_TEST_CASE(released_descriptor_is_plain_but_for_cloexec) {
  const Place place(FilesystemKind::xfs);
  write_file(place / "file", "x");
  const UniqueFd fd(place.fs->release(place.open("file")));
  BOOST_TEST((::fcntl(fd.get(), F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == O_RDONLY);
  BOOST_TEST(::fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
}

BOOST_DATA_TEST_CASE(unnamed_file_gets_its_name_once, kAllKinds, kind) {
  const Place place(kind);
  const mode_t umask_before = ::umask(0777);
  const FilePtr file = place.fs->create_unnamed(*place.directory, "v.img");
  ::umask(umask_before);
  check_names(place, {});
  place.fs->link_unnamed(*file, *place.directory, "v.img");
  check_names(place, {"v.img"});
  BOOST_TEST(mode_of(place / "v.img") == 0600u);

  const FilePtr second = place.fs->create_unnamed(*place.directory, "v.img");
  BOOST_TEST(code_thrown([&] { place.fs->link_unnamed(*second, *place.directory, "v.img"); }) ==
             value(Code::exists));
  check_names(place, {"v.img"});
}

BOOST_DATA_TEST_CASE(unnamed_file_gets_a_temporary_name, kAllKinds, kind) {
  const Place place(kind);
  const FilePtr first = place.fs->create_unnamed(*place.directory, "v.img");
  const FilePtr second = place.fs->create_unnamed(*place.directory, "v.img");
  const std::string name = place.fs->link_temporary(*first, *place.directory, "v.img");
  const std::string other = place.fs->link_temporary(*second, *place.directory, "v.img");
  BOOST_TEST(name.substr(0, 6) == "v.img~");
  BOOST_TEST(name.size() == 14u);
  BOOST_TEST(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", 6) ==
             std::string::npos);
  BOOST_TEST(name != other);
  BOOST_TEST(place.fs->status(*place.directory, name)->same_inode(place.fs->status(*first)));
}

BOOST_AUTO_TEST_CASE(unnamed_file_is_linked_without_privileges) {
  const Place place(FilesystemKind::xfs);
  BOOST_REQUIRE(::chmod(place.scratch.path().c_str(), 0777) == 0);
  BOOST_TEST(true_in_child([&] {
    if (::setresuid(65534, 65534, 65534) != 0) return false;
    const FilePtr file = place.fs->create_unnamed(*place.directory, "v.img");
    place.fs->link_unnamed(*file, *place.directory, "v.img");
    return names_in(place) == std::vector<std::string>{"v.img"};
  }));
}

// What stands in for unnamed files: no filesystem of this kernel is without them.
BOOST_DATA_TEST_CASE(named_stand_in_goes_with_its_object, kAllKinds, kind) {
  const Place place(kind);
  const UniqueFd directory = open_at(AT_FDCWD, place.scratch.path().c_str(), O_RDONLY);
  const auto create = [&] { return create_named_file(directory.get(), "v.img", "v.img"); };
  {
    const UnnamedFile file = create();
    BOOST_TEST(names_in(place).size() == 1u);
    BOOST_TEST(mode_of(place / names_in(place).front()) == 0600u);
    BOOST_TEST(::flock(directory.get(), LOCK_EX) == 0);
  }
  check_names(place, {});
  {
    UnnamedFile file = create();
    link_under_name(file, directory.get(), "v.img", "v.img");
  }
  check_names(place, {"v.img"});
  {
    UnnamedFile file = create();
    BOOST_TEST(code_thrown([&] { link_under_name(file, directory.get(), "v.img", "v.img"); }) ==
               value(Code::exists));
  }
  check_names(place, {"v.img"});
  std::string name;
  {
    UnnamedFile file = create();
    name = link_under_temporary_name(file, directory.get(), "v.img", "v.img");
  }
  check_names(place, {"v.img", name});
}

BOOST_DATA_TEST_CASE(size_is_set_both_ways, kAllKinds, kind) {
  const Place place(kind);
  const FilePtr file = place.make("file", "content");
  place.fs->set_size(*file, 3);
  BOOST_TEST(read_file(place / "file") == "con");
  place.fs->set_size(*file, 5);
  BOOST_TEST(read_file(place / "file") == std::string("con\0\0", 5));
  place.fs->set_size(*file, 0);
  BOOST_TEST(size_of(place / "file") == 0u);
  BOOST_TEST(code_thrown([&] { place.fs->set_size(*file, UINT64_MAX); }) == value(Code::invalid));
}

BOOST_DATA_TEST_CASE(file_lock_is_shared_or_exclusive, kAllKinds, kind) {
  const Place place(kind);
  const FilePtr first = place.make("file", "x");
  FilePtr second = place.open("file");
  const auto locked_elsewhere = [&](LockMode mode) {
    return !place.fs->try_lock(*place.open("file"), mode);
  };
  BOOST_TEST(place.fs->try_lock(*first, LockMode::shared));
  BOOST_TEST(place.fs->try_lock(*second, LockMode::shared));
  BOOST_TEST(locked_elsewhere(LockMode::exclusive));
  BOOST_TEST(!locked_elsewhere(LockMode::shared));
  BOOST_TEST(!place.fs->try_lock(*first, LockMode::exclusive));
  second.reset();
  BOOST_TEST(place.fs->try_lock(*first, LockMode::exclusive));
  BOOST_TEST(locked_elsewhere(LockMode::shared));
  BOOST_TEST(true_in_child([&] { return locked_elsewhere(LockMode::shared); }));
}

BOOST_AUTO_TEST_CASE(close_reports_and_duplicates_are_apart) {
  const Place place(FilesystemKind::xfs);
  place.fs->close(place.make("file", "x"));
  const UniqueFd fd = open_at(AT_FDCWD, (place / "file").c_str(), O_RDONLY);
  FilePtr copy = place.fs->duplicate(fd.get());
  BOOST_TEST(place.fs->status(*copy).size_bytes == 1u);
  place.fs->close(std::move(copy));
  BOOST_TEST(::fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
  BOOST_TEST(code_thrown([&] { place.fs->duplicate(-1); }) == value(Code::invalid));
  BOOST_TEST(code_thrown([&] { place.fs->duplicate(1'000'000); }) == value(Code::invalid));
}

// ---- Names ----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(link_never_replaces, kAllKinds, kind) {
  const Place place(kind);
  write_file(place / "a", "a");
  write_file(place / "b", "b");
  const Directory& directory = *place.directory;
  place.fs->link(directory, "a", directory, "c");
  BOOST_TEST(read_file(place / "c") == "a");
  BOOST_TEST(code_thrown([&] { place.fs->link(directory, "a", directory, "b"); }) ==
             value(Code::exists));
  BOOST_TEST(code_thrown([&] { place.fs->link(directory, "absent", directory, "d"); }) ==
             value(Code::not_found));
  BOOST_TEST(read_file(place / "b") == "b");
}

BOOST_DATA_TEST_CASE(rename_returns_what_it_replaced, kAllKinds, kind) {
  const Place place(kind);
  write_file(place / "a", "aa");
  write_file(place / "b", "b");
  const FileStatus replaced = *place.fs->status(*place.directory, "b");
  const FilePtr kept = place.fs->rename(*place.directory, "a", "b");
  BOOST_REQUIRE(kept != nullptr);
  BOOST_TEST(place.fs->status(*kept).same_inode(replaced));
  BOOST_TEST(place.fs->status(*kept).link_count == 0u);
  BOOST_TEST(read_file(place / "b") == "aa");
  BOOST_TEST((place.fs->rename(*place.directory, "b", "c") == nullptr));
  check_names(place, {"c"});
  BOOST_TEST(code_thrown([&] { place.fs->rename(*place.directory, "a", "c"); }) ==
             value(Code::not_found));
  BOOST_TEST(read_file(place / "c") == "aa");
}

// On a filesystem of its own: on the shared one the space of what other tests removed comes back
// late.
BOOST_DATA_TEST_CASE(blocks_are_freed_when_the_caller_lets_go, kAllKinds, kind) {
  const LoopMount mount(kind);
  const Place place(mount);
  write_file(place / "file", pattern(32 * kMebibyte));
  const std::uint64_t with_file = free_bytes(place.scratch.path());
  FilePtr kept = place.fs->unlink(*place.directory, "file");
  BOOST_REQUIRE(kept != nullptr);
  check_names(place, {});
  BOOST_TEST(free_bytes(place.scratch.path()) < with_file + 16 * kMebibyte);
  kept.reset();
  // XFS frees unlinked inodes in the background: syncfs does not wait for that.
  std::uint64_t after = 0;
  for (int i = 0; i < 100; ++i) {
    after = free_bytes(place.scratch.path());
    if (after >= with_file + 31 * kMebibyte) break;
    ::usleep(50'000);
  }
  BOOST_TEST(after >= with_file + 31 * kMebibyte);
}

BOOST_DATA_TEST_CASE(unlink_of_nothing_is_null, kAllKinds, kind) {
  const Place place(kind);
  BOOST_TEST((place.fs->unlink(*place.directory, "absent") == nullptr));
  BOOST_REQUIRE(::symlink("nowhere", (place / "link").c_str()) == 0);
  BOOST_TEST((place.fs->unlink(*place.directory, "link") != nullptr));
  check_names(place, {});
}

BOOST_AUTO_TEST_CASE(unlink_works_without_free_descriptors) {
  const Place place(FilesystemKind::xfs);
  write_file(place / "file", "x");
  std::vector<UniqueFd> all;
  for (;;) {
    UniqueFd fd = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
    if (!fd) break;
    all.push_back(std::move(fd));
  }
  const FilePtr kept = place.fs->unlink(*place.directory, "file");
  const int code = code_thrown([&] { place.open("file"); });
  all.clear();
  BOOST_TEST((kept == nullptr));
  BOOST_TEST(code == value(Code::no_memory));
  check_names(place, {});
}

// ---- Durability, and that crash images show it ------------------------------------------------

BOOST_DATA_TEST_CASE(crash_keeps_what_was_synced_only, kDiskKinds, kind) {
  const Place place(kind);
  const std::string inside = place.scratch.path().substr(mounted(kind).path().size());
  const FilePtr file = place.fs->create_unnamed(*place.directory, "a");
  const std::string content = pattern(100'000);
  const std::string temporary = place.fs->link_temporary(*file, *place.directory, "a");
  write_at(place / temporary, 0, content);
  place.fs->sync(*file);
  place.fs->rename(*place.directory, temporary, "a");
  place.fs->sync(*place.directory);
  place.fs->rename(*place.directory, "a", "b");  // not synced

  const auto crashed = mounted(kind).crash_image();
  BOOST_TEST(read_file(crashed->path() + inside + "/a") == content);
  BOOST_TEST(!exists(crashed->path() + inside + "/b"));
  BOOST_TEST(exists(place / "b"));
}

BOOST_DATA_TEST_CASE(sync_flushes_the_device, kDiskKinds, kind) {
  const Place place(kind);
  const FilePtr file = place.make("file", pattern(100'000));
  const std::uint64_t flushes = mounted(kind).flush_count();
  const std::uint64_t sectors = mounted(kind).written_sectors();
  place.fs->sync(*file);
  BOOST_TEST(mounted(kind).flush_count() > flushes);
  BOOST_TEST(mounted(kind).written_sectors() >= sectors + 100'000 / 512);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
