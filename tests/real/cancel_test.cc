// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a cancelled job goes on: imports and exports, by copy and by clone, end within 100 ms,
// wherever they are, and the time that it takes to undo an import. The machine may be busy or
// emulated: so that time is measured beside it, a few cancels in a row must be as quick, and there
// are some turns for that.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "src/fs/descriptor.h"
#include "tests/real/stress.h"
#include "tests/support/files.h"
#include "tests/support/loop_mount.h"
#include "tests/support/settings.h"

namespace qubes::storage::test::cancel {
namespace {

using stress::Error;
using stress::Job;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPromise(100);
constexpr int kInARow = 5;
constexpr int kTurns = 6;
constexpr int kPatienceMs = 60'000;
constexpr std::uint64_t kFew = 100;
// Enough that there is time for a cancel.
const std::uint64_t kMany = is_slow() ? 600 : 6'000;
const std::uint64_t kVeryMany = is_slow() ? 1'500 : 12'000;
const FilesystemKind kKinds[] = {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4};
const FilesystemKind kReflinking[] = {FilesystemKind::xfs, FilesystemKind::btrfs};
const stress::Kind kFrom = {"appvms/from/private", true, nullptr, 0};
const stress::Kind kTo = {"appvms/to/private", true, nullptr, 0};

// One block, then a hole of one: as many extents as blocks.
void make_fragmented(const std::string& path, std::uint64_t extents) {
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  const std::string block = pattern(4096);
  for (std::uint64_t i = 0; i < extents; ++i) {
    BOOST_REQUIRE(::pwrite(fd.get(), block.data(), block.size(),
                           static_cast<off_t>(i * 2 * block.size())) == 4096);
  }
  BOOST_REQUIRE(::fsync(fd.get()) == 0);
}

using Start = std::function<Job()>;

// Cancels the job once it is under way by that share of its bytes, or for a while. None where it
// was done before.
std::optional<Clock::duration> time_of_cancel(const Start& start, double share) {
  const Job job = start();
  std::uint64_t done = 0;
  std::uint64_t total = QUBES_STORAGE_UNKNOWN;
  const auto at_last = Clock::now() + milliseconds(share > 0 ? 5000 : 20);
  while (Clock::now() < at_last && qubes_storage_job_wait(job.get(), 1, nullptr) != 0) {
    BOOST_REQUIRE(qubes_storage_job_progress(job.get(), &done, &total, nullptr) == 0);
    const bool is_known = share > 0 && total != QUBES_STORAGE_UNKNOWN && total > 0;
    if (is_known && static_cast<double>(done) > share * static_cast<double>(total)) break;
  }
  const auto begin = Clock::now();
  qubes_storage_job_cancel(job.get(), nullptr);
  struct pollfd waiting = {qubes_storage_job_fd(job.get()), POLLIN, 0};
  BOOST_REQUIRE(::poll(&waiting, 1, kPatienceMs) == 1);
  const auto took = Clock::now() - begin;
  const std::int32_t code = qubes_storage_job_result(job.get(), nullptr);
  if (code == QUBES_STORAGE_OK) return std::nullopt;
  BOOST_TEST(code == QUBES_STORAGE_CANCELLED);
  return took;
}

struct Place {
  Place(FilesystemKind kind, std::uint64_t extents)
      : scratch(mounted(kind)), pool(pool_in(scratch)) {
    make_fragmented(scratch / "fragmented", extents);
    file = UniqueFd(::open((scratch / "fragmented").c_str(), O_RDONLY | O_CLOEXEC));
    BOOST_REQUIRE(qubes_storage_volume_import_fd(from.get(), file.get(), QUBES_STORAGE_UNKNOWN,
                                                 nullptr, nullptr, 0, nullptr) == 0);
    BOOST_REQUIRE(qubes_storage_pool_drain(pool.get(), nullptr) == 0);
  }
  static stress::Pool pool_in(const ScratchDirectory& scratch) {
    stress::Pool made = stress::open_pool(scratch / "pool");
    BOOST_REQUIRE(qubes_storage_pool_setup(made.get(), nullptr) == 0);
    return made;
  }

  ScratchDirectory scratch;
  stress::Pool pool;
  stress::Volume from = stress::open_volume(pool, kFrom);
  stress::Volume to = stress::open_volume(pool, kTo);
  UniqueFd file;
};

Job import_of(const Place& at, int fd) {
  Job job;
  BOOST_REQUIRE(qubes_storage_volume_import_fd_async(at.to.get(), fd, QUBES_STORAGE_UNKNOWN, 0,
                                                     job.out(), nullptr) == 0);
  return job;
}

Job export_of(const Place& at, int fd) {
  Job job;
  BOOST_REQUIRE(qubes_storage_volume_export_to_async(at.from.get(), fd, 0, job.out(), nullptr) ==
                0);
  return job;
}

// The longest of a few imports that are begun and thrown away.
Clock::duration time_to_undo(const Place& at) {
  Clock::duration longest{};
  for (int i = 0; i < kInARow; ++i) {
    const auto begin = Clock::now();
    BOOST_REQUIRE(qubes_storage_volume_import_begin(at.to.get(), 0, 0, nullptr) == 0);
    BOOST_REQUIRE(qubes_storage_volume_import_end(at.to.get(), 0, 0, nullptr) == 0);
    longest = std::max(longest, Clock::now() - begin);
  }
  return longest;
}

long long in_ms(Clock::duration time) {
  return std::chrono::duration_cast<milliseconds>(time).count();
}

void check_is_quick(const Place& at, const char* what, const Start& start, double share) {
  Clock::duration longest{};
  Clock::duration allowed{};
  for (int turn = 0; turn < kTurns; ++turn) {
    allowed = kPromise + time_to_undo(at);
    longest = {};
    int counted = 0;
    for (int i = 0; i < 3 * kInARow && counted < kInARow; ++i) {
      if (const auto took = time_of_cancel(start, share)) {
        longest = std::max(longest, *took);
        ++counted;
      }
    }
    BOOST_REQUIRE_MESSAGE(counted > 0, what << " was never cancelled: it is too short");
    if (longest < allowed) break;
  }
  BOOST_TEST_MESSAGE(what << ": " << in_ms(longest) << " ms of " << in_ms(allowed));
  BOOST_CHECK_MESSAGE(longest < allowed, what << " went on for " << in_ms(longest)
                                              << " ms after it was cancelled, not "
                                              << in_ms(allowed));
}

BOOST_AUTO_TEST_SUITE(cancel)

BOOST_DATA_TEST_CASE(of_streams, kKinds, kind) {
  const Place at(kind, kFew);
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reads(ends[0]);
  const UniqueFd writes(ends[1]);
  check_is_quick(
      at, "an import from a stalled pipe", [&] { return import_of(at, reads.get()); }, 0);
  check_is_quick(
      at, "an export to a full pipe", [&] { return export_of(at, writes.get()); }, 0);
}

BOOST_DATA_TEST_CASE(of_copies, kKinds, kind) {
  const Place at(kind, kMany);
  const ScratchDirectory elsewhere("/dev/shm");
  make_fragmented(elsewhere / "source", kMany);
  const UniqueFd source(::open((elsewhere / "source").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd target(::open((elsewhere / "target").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  for (const double share : {0.01, 0.6}) {
    check_is_quick(
        at, "an import by copy", [&] { return import_of(at, source.get()); }, share);
    check_is_quick(
        at, "an export by copy", [&] { return export_of(at, target.get()); }, share);
  }
}

BOOST_DATA_TEST_CASE(of_clones, kReflinking, kind) {
  const Place at(kind, kVeryMany);
  const auto import = [&] { return import_of(at, at.file.get()); };
  for (const double share : {0.01, 0.6}) check_is_quick(at, "an import of a clone", import, share);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test::cancel
