// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies from and to pipes, sockets and block devices, with real filesystems at the other end.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "src/fs/descriptor.h"
#include "tests/real/fs_place.h"

namespace qubes::storage::test {
namespace {

namespace data = boost::unit_test::data;

constexpr std::size_t kMebibyte = 1 << 20;
const Progress kNoProgress;

struct Pipe {
  explicit Pipe(int flags = 0) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC | flags) == 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  UniqueFd reader;
  UniqueFd writer;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == -1 && errno == EAGAIN) {
      ::usleep(100);
      continue;
    }
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put == -1 && errno != EAGAIN) return;
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
    if (put == -1) ::usleep(100);
  }
}

BOOST_AUTO_TEST_SUITE(fs_stream)

BOOST_DATA_TEST_CASE(pipe_is_read_to_its_end, kAllKinds* data::make({0, O_NONBLOCK}), kind, flags) {
  const Place place(kind);
  Pipe pipe(flags);
  const std::string content = patchwork();
  std::thread feeder([&, fd = std::move(pipe.writer)] { write_all(fd.get(), content); });
  const FilePtr source = place.fs->duplicate(pipe.reader.get());
  const FilePtr target = place.make("target", "");
  std::uint64_t last = 0;
  BOOST_TEST(!place.fs->clone(*source, *target, [&](std::uint64_t done, auto total) {
    last = done;
    BOOST_TEST(!total.has_value());
  }));
  feeder.join();
  BOOST_TEST((read_file(place / "target") == content));
  BOOST_TEST(last == content.size());
  BOOST_TEST(allocated_bytes(place / "target") <= 4 * kMebibyte);
}

BOOST_AUTO_TEST_CASE(pipe_that_trickles_still_gives_holes) {
  const Place place(FilesystemKind::ext4);
  Pipe pipe;
  const std::string content = std::string(40'000, '\0') + "x" + std::string(40'000, '\0');
  std::thread feeder([&, fd = std::move(pipe.writer)] {
    for (std::size_t at = 0; at < content.size(); at += 999) {
      write_all(fd.get(), std::string_view(content).substr(at, 999));
    }
  });
  const FilePtr target = place.make("target", "");
  place.fs->clone(*place.fs->duplicate(pipe.reader.get()), *target, kNoProgress);
  feeder.join();
  BOOST_TEST((read_file(place / "target") == content));
  BOOST_TEST(allocated_bytes(place / "target") == 4096u);
}

BOOST_AUTO_TEST_CASE(silent_pipe_can_be_cancelled) {
  struct Cancelled {};
  const Place place(FilesystemKind::ext4);
  const FilePtr target = place.make("target", "");
  for (const int flags : {0, O_NONBLOCK}) {
    const Pipe pipe(flags);
    const FilePtr source = place.fs->duplicate(pipe.reader.get());
    BOOST_CHECK_THROW(
        place.fs->clone(*source, *target, [](std::uint64_t, auto) { throw Cancelled(); }),
        Cancelled);
  }
}

BOOST_AUTO_TEST_CASE(stalled_reader_can_be_cancelled) {
  struct Cancelled {};
  const Place place(FilesystemKind::ext4);
  const FilePtr source = place.make("source", pattern(kMebibyte));
  for (const int flags : {0, O_NONBLOCK}) {
    const Pipe pipe(flags);
    const FilePtr target = place.fs->duplicate(pipe.writer.get());
    BOOST_CHECK_THROW(
        place.fs->copy_out(*source, *target, [](std::uint64_t, auto) { throw Cancelled(); }),
        Cancelled);
  }
}

BOOST_AUTO_TEST_CASE(block_device_is_read_whole) {
  const LoopMount mount(FilesystemKind::ext4, 16 * kMebibyte);
  const Place place(FilesystemKind::btrfs);
  const UniqueFd device = open_at(AT_FDCWD, mount.device().c_str(), O_RDONLY);
  const FilePtr source = place.fs->duplicate(device.get());
  const FilePtr target = place.make("target", "");
  std::uint64_t known = 0;
  place.fs->clone(*source, *target, [&](std::uint64_t, auto total) { known = total.value(); });
  BOOST_TEST(known == 16 * kMebibyte);
  BOOST_TEST(size_of(place / "target") == 16 * kMebibyte);
  BOOST_TEST(allocated_bytes(place / "target") < 4 * kMebibyte);
  BOOST_TEST((read_file(place / "target") == read_file(mount.device())));
}

BOOST_DATA_TEST_CASE(copy_out_to_a_pipe_has_zeros_for_holes, kAllKinds* data::make({0, O_NONBLOCK}),
                     kind, flags) {
  const Place place(kind);
  make_patchwork(place / "source");
  Pipe pipe(flags);
  std::string received;
  std::thread reader([&] { received = read_all(pipe.reader.get()); });
  {
    const FilePtr target = place.fs->duplicate(pipe.writer.get());
    pipe.writer = UniqueFd();
    place.fs->copy_out(*place.open("source"), *target, kNoProgress);
  }
  pipe.writer = UniqueFd();
  reader.join();
  BOOST_TEST((received == patchwork()));
}

BOOST_AUTO_TEST_CASE(copy_out_to_a_socket) {
  const Place place(FilesystemKind::xfs);
  make_patchwork(place / "source");
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd here(ends[0]);
  const UniqueFd there(ends[1]);
  std::string received;
  std::thread reader([&] { received = read_all(there.get()); });
  place.fs->copy_out(*place.open("source"), *place.fs->duplicate(here.get()), kNoProgress);
  ::shutdown(here.get(), SHUT_WR);
  reader.join();
  BOOST_TEST((received == patchwork()));
}

BOOST_AUTO_TEST_CASE(reader_that_went_away_is_an_error_and_no_signal) {
  const Place place(FilesystemKind::xfs);
  const FilePtr source = place.make("source", pattern(kMebibyte));
  Pipe pipe;
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd socket(ends[0]);
  ::close(ends[1]);
  pipe.reader = UniqueFd();
  struct sigaction action {};
  ::sigaction(SIGPIPE, nullptr, &action);
  BOOST_REQUIRE((action.sa_handler == SIG_DFL));  // it would end this process
  for (const int fd : {pipe.writer.get(), socket.get()}) {
    const FilePtr target = place.fs->duplicate(fd);
    BOOST_CHECK_EXCEPTION(place.fs->copy_out(*source, *target, kNoProgress), Error,
                          [](const Error& error) { return error.errno_value() == EPIPE; });
  }
  sigset_t set;
  ::sigpending(&set);
  BOOST_TEST(::sigismember(&set, SIGPIPE) == 0);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &set);
  BOOST_TEST(::sigismember(&set, SIGPIPE) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
