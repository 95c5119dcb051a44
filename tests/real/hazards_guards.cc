// SPDX-License-Identifier: LGPL-2.1-or-later
// The hazards of the peer that a refusal, a lock or a pin answers: H1, H2, H4, H8, H9, H11, H12,
// H14.
#include <sys/wait.h>

#include <thread>

#include "src/fs/descriptor.h"
#include "tests/real/peer_session.h"
#include "tests/support/process.h"

namespace qubes::storage::test {
namespace {

constexpr char kTemplate[] = "vm-templates/deb/root";
constexpr char kRoot[] = "appvms/work/root";
constexpr std::uint64_t kCut = PoolBuilder::kImageBytes / 4;

BOOST_AUTO_TEST_SUITE(hazards)

BOOST_DATA_TEST_CASE(H1_import_onto_a_leftover_session, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kTemplate).clean('T').volume("appvms/work/private").clean('C').dirty('D');
  Opened opened(pool);
  const auto volume = opened.origin(0);
  const auto source = opened.origin(1, kTemplate);
  BOOST_TEST(code_thrown([&] { volume->import_begin(4096); }) == value(Code::dirty));
  BOOST_TEST(code_thrown([&] { volume->import_volume(*source, nullptr); }) == value(Code::dirty));
  BOOST_TEST(pool.observe() == "private-dirty.img D, private.img C, vm-templates/deb/root.img T");
  volume->stop();
  volume->import_volume(*source, nullptr);
  BOOST_TEST(pool.observe() == "private.img T, vm-templates/deb/root.img T");
}

BOOST_DATA_TEST_CASE(H2_start_during_an_import, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C').precache();
  Opened opened(pool);
  const auto volume = opened.origin(2);
  volume->import_begin(PoolBuilder::kImageBytes);
  BOOST_TEST(code_thrown([&] { volume->start(); }) == value(Code::busy));
  BOOST_TEST(code_thrown([&] { volume->import_begin(4096); }) == value(Code::busy));
  volume->stop();  // also that of a booting daemon
  opened.pool.recover();
  pool.write("-import.img", 'I');
  volume->import_end(true);
  const std::string imported = "private.img I, private.img.2@B B, private.img.3@C C";
  BOOST_TEST(pool.observe() == imported);
  BOOST_TEST(code_thrown([&] { volume->import_end(true); }) == value(Code::not_found));
  BOOST_TEST(code_thrown([&] { volume->import_end(false); }) == value(Code::not_found));
  BOOST_TEST(pool.observe() == imported);
}

BOOST_DATA_TEST_CASE(H2_import_that_somebody_removed, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'A').revision(2, 'B').clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(2);
  volume->import_begin(4096);
  pool.unlink("-import.img");  // a start by the peer
  for (int attempt = 0; attempt < 3; ++attempt) {
    BOOST_TEST(code_thrown([&] { volume->import_end(true); }) == value(Code::not_found));
  }
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@A A, private.img.2@B B");
}

// A shrink goes by way of I: not over one that somebody holds.
BOOST_DATA_TEST_CASE(H2_shrink_during_an_import, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  volume->import_begin(PoolBuilder::kImageBytes);
  pool.write("-import.img", 'I');
  BOOST_TEST(code_thrown([&] { volume->resize(kCut, true); }) == value(Code::busy));
  BOOST_TEST(code_thrown([&] { volume->import_end(true); }) == 0);
  BOOST_TEST(pool.observe() == "private.img I, private.img.1@C C");
}

BOOST_DATA_TEST_CASE(H4_shrink_must_be_asked_for, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  for (const std::uint64_t size : {std::uint64_t{0}, kCut, PoolBuilder::kImageBytes - 1}) {
    BOOST_TEST(code_thrown([&] { volume->resize(size, false); }) == value(Code::invalid));
  }
  volume->start();
  BOOST_TEST(code_thrown([&] { volume->resize(0, false); }) == value(Code::invalid));
  BOOST_TEST(pool.observe() == "private-dirty.img C, private.img C, private.img.1@B B");
  volume->discard();
  volume->resize(kCut, true);
  BOOST_TEST(pool.observe() == "private.img C/262144, private.img.2@C C");
  volume->revert(0);
  BOOST_TEST(volume->info().size_bytes.value() == PoolBuilder::kImageBytes);
}

BOOST_DATA_TEST_CASE(H8_names_that_begin_alike, kDiskKinds, kind) {
  const std::string others =
      "privateX-dirty.img X, privateX-dirty.img~aaaaaaaa X, privateX-import.img X, privateX.img X";
  PoolBuilder pool(mounted(kind));
  pool.foreign("appvms/work/privateX-dirty.img~aaaaaaaa", 'X');
  pool.volume("appvms/work/privateX").clean('X').dirty('X').import('X');
  pool.volume("appvms/work/private").clean('C').temporary("-dirty.img", 'C');
  Opened opened(pool);
  const auto volume = opened.origin(1);
  volume->start();
  BOOST_TEST(pool.observe() == "private-dirty.img C, private.img C, " + others);
  pool.guest_writes('D');
  volume->stop();
  BOOST_TEST(pool.observe() == "private.img D, private.img.1@C C, " + others);
  volume->remove();
  BOOST_TEST(pool.observe() == others);
}

BOOST_DATA_TEST_CASE(H8_names_that_would_collide, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C').dirty('D');
  Opened opened(pool);
  for (const char* const name : {"private-dirty", "private-precache", "private-import", "p.img"}) {
    const auto open = [&] { opened.origin(1, "appvms/work/" + std::string(name)); };
    BOOST_TEST(code_thrown(open) == value(Code::invalid), name);
  }
}

BOOST_DATA_TEST_CASE(H9_start_in_place_of_a_linked_template, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kTemplate).revision(1, 'S').clean('T').precache();
  pool.volume(kRoot).link_from(kTemplate).dirty('R');
  Opened opened(pool);
  const auto source = opened.origin(-1, kTemplate);
  BOOST_TEST(!opened.snapshot(kRoot, kTemplate)->info().is_outdated);
  source->start();
  // The session writes to an inode of its own; the snapshot keeps the one that it began from.
  BOOST_TEST(pool.observe() == "root-dirty.img R, root.img T, vm-templates/deb/root-dirty.img T");
  source->stop();
  BOOST_TEST(opened.snapshot(kRoot, kTemplate)->info().is_outdated);
  opened.snapshot(kRoot, kTemplate)->stop();
  source->start();
  BOOST_TEST(code_thrown([&] { opened.snapshot(kRoot, kTemplate)->start(); }) ==
             value(Code::dirty));
}

// A commit or revert of ours that was cut off is no link that counts.
BOOST_DATA_TEST_CASE(H9_start_in_place_after_a_commit_cut_off, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C').our_revision(1);
  Opened(pool).origin(-1)->start();
  BOOST_TEST(pool.observe() == "private-dirty.img C");
}

// Fills the filesystem to the last byte that a file can get.
void fill(const std::string& path) {
  take_room(path + "-taken");
  const UniqueFd file = open_at(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(1 << 16, 'x');
  for (std::size_t length = block.size(); length > 0; length /= 2) {
    while (::write(file.get(), block.data(), length) > 0) continue;
  }
  // What is still to be allocated has to fail now, not later.
  ::fsync(file.get());
}

bool can_write(const std::string& path) {
  const UniqueFd file = open_at(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(1 << 14, 'x');
  return ::write(file.get(), block.data(), block.size()) > 0 && ::fsync(file.get()) == 0;
}

BOOST_DATA_TEST_CASE(H11_stop_on_a_full_filesystem, kDiskKinds, kind) {
  const LoopMount small(kind, std::uint64_t{128} << 20);
  PoolBuilder pool(small);
  pool.revision(1, 'B').clean('C').precache().dirty('D');
  BOOST_REQUIRE(free_bytes(pool.path()) > 0u);  // and writes back what was made
  fill(small.path() + "/ballast");
  BOOST_TEST(!can_write(small.path() + "/more"));
  Opened opened(pool, true);
  const auto volume = opened.origin(1);
  BOOST_TEST(code_thrown([&] { volume->stop(); }) == 0);
  opened.pool.drain();  // a precache that finds no room is no error
  BOOST_TEST(pool.observe().ends_with("private.img D, private.img.2@C C"), pool.observe());
}

BOOST_DATA_TEST_CASE(H12_export_is_pinned, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(0);
  const FilePtr exported = volume->open_committed();
  const auto size = real_filesystem()->status(*exported).size_bytes;
  write_session(pool, 0, 'D');
  opened.pool.volume("appvms/work/private", Opened::saved(0))->resize(2 * size, false);
  BOOST_TEST(pool.observe() == "private.img D/2097152");
  pool.image("-copy.img", '-', 0);
  const FilePtr target =
      real_filesystem()->open_file(*real_filesystem()->open_directory(pool / "appvms/work"),
                                   "private-copy.img", Access::read_write);
  real_filesystem()->copy_out(*exported, *target, nullptr);
  BOOST_TEST(pool.observe() == "private-copy.img C, private.img D/2097152");
}

BOOST_DATA_TEST_CASE(H12_export_is_not_written_in_place, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.revision(1, 'B').clean('C');
  Opened opened(pool);
  const auto volume = opened.origin(-1);
  FilePtr exported = volume->open_committed();
  BOOST_TEST(code_thrown([&] { volume->start(); }) == value(Code::busy));
  BOOST_TEST(pool.observe() == "private.img C, private.img.1@B B");
  exported.reset();
  volume->start();
  BOOST_TEST(code_thrown([&] { volume->open_committed(); }) == value(Code::dirty));
}

BOOST_DATA_TEST_CASE(H14_import_held_by_another_pool_or_process, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C');
  Opened first(pool);
  const auto holder = first.origin(1);
  holder->import_begin(PoolBuilder::kImageBytes);
  const auto refused = [&] {
    Opened second(pool);
    second.pool.recover();
    const auto other = second.origin(1);
    return code_thrown([&] { other->start(); }) == value(Code::busy) &&
           code_thrown([&] { other->import_end(true); }) == value(Code::not_found);
  };
  BOOST_TEST(refused());
  BOOST_TEST(true_in_child(refused));
  pool.write("-import.img", 'I');
  holder->import_end(true);
  BOOST_TEST(pool.observe() == "private.img I, private.img.1@C C");
}

BOOST_DATA_TEST_CASE(H14_two_pools_on_one_directory, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.clean('C');
  const auto work = [&] {
    Opened opened(pool);
    const auto volume = opened.origin(2);
    for (int turn = 0; turn < 30; ++turn) {
      const int started = code_thrown([&] { volume->start(); });
      const int stopped = code_thrown([&] { volume->stop(); });
      if (started != 0 || stopped != 0) return false;
    }
    return true;
  };
  // Before there are threads: a child of fork would inherit their locks.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work() ? 0 : 1);
  bool first = false, second = false;
  std::thread other([&] { second = work(); });
  first = work();
  other.join();
  int status = -1;
  BOOST_TEST(::waitpid(child, &status, 0) == child);
  BOOST_TEST((first && second && status == 0));
  BOOST_TEST(pool.observe() == "private.img C");  // nobody wrote
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
