// SPDX-License-Identifier: LGPL-2.1-or-later
// Clones, copies and comparisons of files on real filesystems.
#include <fcntl.h>
#include <unistd.h>

#include "src/fs/descriptor.h"
#include "tests/real/fs_place.h"

namespace qubes::storage::test {
namespace {

namespace data = boost::unit_test::data;

constexpr std::size_t kMebibyte = 1 << 20;
const Progress kNoProgress;

// From one kind of filesystem to another that cannot share blocks with it.
struct Route {
  FilesystemKind from;
  FilesystemKind to;
};
std::ostream& operator<<(std::ostream& stream, const Route& route) {
  return stream << route.from << " to " << route.to;
}
const auto kRoutes = data::make({Route{FilesystemKind::ext4, FilesystemKind::ext4},
                                 Route{FilesystemKind::other, FilesystemKind::other},
                                 Route{FilesystemKind::xfs, FilesystemKind::btrfs},
                                 Route{FilesystemKind::btrfs, FilesystemKind::ext4},
                                 Route{FilesystemKind::ext4, FilesystemKind::xfs}});

BOOST_AUTO_TEST_SUITE(fs_copy)

// ---- Sharing --------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(clone_shares_blocks, kReflinkKinds, kind) {
  const Place place(kind);
  const std::string content = pattern(64 * kMebibyte);
  const FilePtr source = place.make("source", content);
  const std::uint64_t before = free_bytes(place.scratch.path());
  const FilePtr target = place.make("target", "");
  BOOST_TEST(place.fs->clone(*source, *target, kNoProgress));
  BOOST_TEST(has_shared_extent(place / "target"));
  BOOST_TEST(free_bytes(place.scratch.path()) + kMebibyte >= before);
  BOOST_TEST((read_file(place / "target") == content));
  BOOST_TEST(place.fs->same_content(*source, *target));
}

BOOST_AUTO_TEST_CASE(clone_shared_leaves_the_target_empty_where_it_cannot) {
  const Place ext4(FilesystemKind::ext4);
  const Place xfs(FilesystemKind::xfs);
  const FilePtr source = ext4.make("source", "content");
  const FilePtr near = ext4.make("target", "");
  const FilePtr far = xfs.make("target", "");
  BOOST_TEST(!ext4.fs->clone_shared(*source, *near, 0, nullptr));
  BOOST_TEST(!ext4.fs->clone_shared(*source, *far, 0, nullptr));
  BOOST_TEST(size_of(ext4 / "target") == 0u);
  BOOST_TEST(size_of(xfs / "target") == 0u);
}

// An image may be said to have any size: the pieces are those of its data.
BOOST_DATA_TEST_CASE(shared_huge_hole_costs_nothing, kReflinkKinds, kind) {
  const Place place(kind);
  const std::uint64_t size = std::uint64_t{1} << 62;
  const FilePtr source = place.make("source", "at the beginning");
  place.fs->set_size(*source, size);
  write_at(place / "source", size / 2 + 5, "in the middle");
  const FilePtr target = place.make("target", "");
  int pieces = 0;
  BOOST_TEST(place.fs->clone_shared(*source, *target, 0, [&](auto, auto) { ++pieces; }));
  BOOST_TEST(pieces < 20);
  BOOST_TEST(place.fs->status(*target).size_bytes == size);
  BOOST_TEST(place.fs->same_content(*source, *target));
}

// ---- Copying --------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(copy_is_exact_in_size, kRoutes* data::make({0, 1, 4095, 4096, 4097, 1048579}),
                     route, size) {
  const Place from(route.from);
  const Place to(route.to);
  const std::string content = pattern(static_cast<std::size_t>(size));
  const FilePtr source = from.make("source", content);
  const FilePtr target = to.make("target", "");
  BOOST_TEST(!to.fs->clone(*source, *target, kNoProgress));
  BOOST_TEST((read_file(to / "target") == content));
  BOOST_TEST(to.fs->same_content(*source, *target));
}

BOOST_DATA_TEST_CASE(holes_stay_and_zeros_become_holes, kRoutes, route) {
  const Place from(route.from);
  const Place to(route.to);
  make_patchwork(from / "source");
  const FilePtr source = from.open("source");
  const FilePtr target = to.make("target", "");
  BOOST_TEST(!to.fs->clone(*source, *target, kNoProgress));
  BOOST_TEST((read_file(to / "target") == patchwork()));
  BOOST_TEST(allocated_bytes(to / "target") + 12288 <= allocated_bytes(from / "source"));
  BOOST_TEST(to.fs->same_content(*source, *target));
}

BOOST_DATA_TEST_CASE(file_of_zeros_takes_no_space, kRoutes, route) {
  const Place from(route.from);
  const Place to(route.to);
  const FilePtr source = from.make("source", std::string(3 * kMebibyte + 1, '\0'));
  const FilePtr target = to.make("target", "");
  to.fs->clone(*source, *target, kNoProgress);
  BOOST_TEST(size_of(to / "target") == 3 * kMebibyte + 1);
  BOOST_TEST(allocated_bytes(to / "target") == 0u);
}

BOOST_AUTO_TEST_CASE(huge_hole_costs_nothing) {
  const Place xfs(FilesystemKind::xfs);
  const Place btrfs(FilesystemKind::btrfs);
  const std::uint64_t size = std::uint64_t{1} << 42;  // 4 TiB
  const FilePtr source = xfs.make("source", "");
  xfs.fs->set_size(*source, size);
  write_at(xfs / "source", size / 2 + 5, "in the middle");
  const FilePtr target = btrfs.make("target", "");
  BOOST_TEST(!btrfs.fs->clone(*source, *target, kNoProgress));
  BOOST_TEST(btrfs.fs->status(*target).size_bytes == size);
  BOOST_TEST(btrfs.fs->same_content(*source, *target));
  write_at(btrfs / "target", size - 1, "x");
  BOOST_TEST(!btrfs.fs->same_content(*source, *target));
}

BOOST_AUTO_TEST_CASE(copy_leaves_the_offset_of_the_caller_alone) {
  const Place ext4(FilesystemKind::ext4);
  write_file(ext4 / "source", "content");
  const UniqueFd fd = open_at(AT_FDCWD, (ext4 / "source").c_str(), O_RDONLY);
  BOOST_TEST(::lseek(fd.get(), 3, SEEK_SET) == 3);
  const FilePtr source = ext4.fs->duplicate(fd.get());
  const FilePtr target = ext4.make("target", "");
  ext4.fs->clone(*source, *target, kNoProgress);
  BOOST_TEST(read_file(ext4 / "target") == "content");
  BOOST_TEST(::lseek(fd.get(), 0, SEEK_CUR) == 3);
}

BOOST_DATA_TEST_CASE(copy_out_replaces_what_was_there, kAllKinds, kind) {
  const Place place(kind);
  make_patchwork(place / "source");
  const FilePtr source = place.open("source");
  const FilePtr target = place.make("target", pattern(8 * kMebibyte, 7));
  place.fs->copy_out(*source, *target, kNoProgress);
  BOOST_TEST((read_file(place / "target") == patchwork()));
  BOOST_TEST(allocated_bytes(place / "target") < 4 * kMebibyte);
}

BOOST_AUTO_TEST_CASE(copy_out_refuses_what_it_would_destroy) {
  const Place place(FilesystemKind::xfs);
  const FilePtr source = place.make("file", "content");
  const FilePtr same = place.open("file", Access::read_write);
  BOOST_TEST(code_thrown([&] { place.fs->copy_out(*source, *same, kNoProgress); }) ==
             value(Code::invalid));
  write_file(place / "log", "first line");
  const UniqueFd fd = open_at(AT_FDCWD, (place / "log").c_str(), O_WRONLY | O_APPEND);
  const FilePtr log = place.fs->duplicate(fd.get());
  BOOST_TEST(code_thrown([&] { place.fs->copy_out(*source, *log, kNoProgress); }) ==
             value(Code::invalid));
  BOOST_TEST(read_file(place / "file") == "content");
  BOOST_TEST(read_file(place / "log") == "first line");
}

BOOST_AUTO_TEST_CASE(progress_grows_to_the_end) {
  const Place ext4(FilesystemKind::ext4);
  const std::size_t size = 5 * kMebibyte + 17;
  const FilePtr source = ext4.make("source", pattern(size));
  const FilePtr target = ext4.make("target", "");
  std::uint64_t last = 0;
  int calls = 0;
  ext4.fs->clone(*source, *target, [&](std::uint64_t done, std::optional<std::uint64_t> total) {
    BOOST_TEST(done >= last);
    BOOST_TEST(total.value() == size);
    last = done;
    ++calls;
  });
  BOOST_TEST(last == size);
  BOOST_TEST(calls >= 5);
}

BOOST_AUTO_TEST_CASE(progress_cancels_by_throwing) {
  struct Cancelled {};
  const Place ext4(FilesystemKind::ext4);
  const FilePtr source = ext4.make("source", pattern(8 * kMebibyte));
  const FilePtr target = ext4.fs->create_unnamed(*ext4.directory, "target");
  BOOST_CHECK_THROW(ext4.fs->clone(*source, *target,
                                   [](std::uint64_t done, auto) {
                                     if (done >= 2 * kMebibyte) throw Cancelled();
                                   }),
                    Cancelled);
  BOOST_TEST(ext4.fs->status(*target).allocated_bytes < 4 * kMebibyte);
}

BOOST_AUTO_TEST_CASE(source_that_shrinks_is_an_error) {
  const Place ext4(FilesystemKind::ext4);
  for (const std::size_t cut : {std::size_t{0}, 6 * kMebibyte}) {
    const FilePtr source = ext4.make("source", pattern(8 * kMebibyte));
    const FilePtr target = ext4.make("target", "");
    const auto shrink = [&](std::uint64_t, auto) { ext4.fs->set_size(*source, cut); };
    BOOST_TEST(code_thrown([&] { ext4.fs->clone(*source, *target, shrink); }) == value(Code::io));
  }
}

BOOST_DATA_TEST_CASE(full_filesystem_leaves_no_temporary, kDiskKinds, kind) {
  const LoopMount small(kind, 128 * kMebibyte);
  const Place to(small);
  const Place from(FilesystemKind::other);
  const FilePtr source = from.make("source", std::string(200 * kMebibyte, 's'));
  const std::uint64_t before = free_bytes(small.path());
  {
    const FilePtr target = to.fs->create_unnamed(*to.directory, "v.img");
    BOOST_TEST(code_thrown([&] { to.fs->clone(*source, *target, kNoProgress); }) ==
               value(Code::no_space));
  }
  BOOST_TEST(to.fs->list(*to.directory).empty());
  for (int i = 0; i < 100 && free_bytes(small.path()) + kMebibyte < before; ++i) ::usleep(50'000);
  BOOST_TEST(free_bytes(small.path()) + kMebibyte >= before);
}

// ---- Comparing ------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(comparison_sees_each_byte, kAllKinds, kind) {
  const Place place(kind);
  make_patchwork(place / "a");
  write_file(place / "b", patchwork());  // the same with its zeros written
  const FilePtr a = place.open("a");
  const FilePtr b = place.open("b");
  BOOST_TEST(place.fs->same_content(*a, *b));
  BOOST_TEST(place.fs->same_content(*a, *a));
  const std::size_t size = patchwork().size();
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{8192}, 2 * kMebibyte, 4 * kMebibyte, size - 1}) {
    BOOST_TEST_CONTEXT("byte " << at) {
      const char right = patchwork()[at];
      write_at(place / "b", at, std::string(1, static_cast<char>(right ^ 1)));
      BOOST_TEST(!place.fs->same_content(*a, *b));
      BOOST_TEST(!place.fs->same_content(*b, *a));
      write_at(place / "b", at, std::string(1, right));
      BOOST_TEST(place.fs->same_content(*a, *b));
    }
  }
  write_at(place / "b", size, std::string(1, '\0'));
  BOOST_TEST(!place.fs->same_content(*a, *b));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
