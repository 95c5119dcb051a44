// SPDX-License-Identifier: LGPL-2.1-or-later
// Waits with poll(2) before each call, so that a stalled peer can be given up on and a descriptor
// that does not block works like any other.
#include "src/fs/stream.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// A cancel takes effect within 100 ms.
constexpr int kPatienceMs = 50;

// False if nothing has happened for a while. Files without readiness (/dev/zero, block devices)
// are always ready.
bool wait_until_ready(OpenFile file, short events) {
  struct pollfd waiting {
    file.fd, events, 0
  };
  const int ready = retry([&] { return ::poll(&waiting, 1, kPatienceMs); });
  if (ready == -1) throw_errno(errno, "wait for", file.path);
  return ready > 0;
}

// Keeps SIGPIPE from the process while one thread writes, and leaves no trace: the disposition
// belongs to the program, a signal that was pending before stays pending, one that a write of this
// thread caused (it is sent to the thread itself) is taken back.
class SigpipeHeldBack {
 public:
  SigpipeHeldBack() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &mask_before_);
  }
  ~SigpipeHeldBack() { ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr); }
  SigpipeHeldBack(const SigpipeHeldBack&) = delete;
  SigpipeHeldBack& operator=(const SigpipeHeldBack&) = delete;

  void take_back() const {
    const struct timespec now { 0, 0 };
    if (!was_pending_) retry([&] { return ::sigtimedwait(&sigpipe_, nullptr, &now); });
  }

 private:
  sigset_t sigpipe_{};
  sigset_t mask_before_{};
  bool was_pending_ = false;
};

}  // namespace

std::size_t read_stream(OpenFile source, std::byte* data, std::size_t length,
                        const std::function<void(std::size_t read)>& alive) {
  std::size_t done = 0;
  while (done < length) {
    if (!wait_until_ready(source, POLLIN)) {
      alive(done);
      continue;
    }
    const ssize_t got = retry([&] { return ::read(source.fd, data + done, length - done); });
    if (got == 0) break;
    if (got == -1) {
      if (errno == EAGAIN) continue;  // somebody else was quicker
      throw_errno(errno, "read", source.path);
    }
    done += static_cast<std::size_t>(got);
    alive(done);
  }
  return done;
}

StreamWriter::StreamWriter(OpenFile target) : target_(target) {
  const mode_t mode = stat_of(target).st_mode;
  is_socket_ = S_ISSOCK(mode);
  // poll(2) promises room for PIPE_BUF bytes only: a pipe that blocks would block at more.
  chunk_bytes_ = S_ISFIFO(mode) || S_ISCHR(mode) ? PIPE_BUF : kPieceBytes;
}

ssize_t StreamWriter::write_some(const std::byte* data, std::size_t length) const {
  length = std::min(length, chunk_bytes_);
  return retry([&] {
    return is_socket_ ? ::send(target_.fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT)
                      : ::write(target_.fd, data, length);
  });
}

void StreamWriter::write(const std::byte* data, std::size_t length,
                         const std::function<void()>& alive) {
  const SigpipeHeldBack sigpipe;
  while (length > 0) {
    if (!wait_until_ready(target_, POLLOUT)) {
      alive();
      continue;
    }
    const ssize_t put = write_some(data, length);
    if (put == -1) {
      if (errno == EAGAIN) continue;
      const int errno_value = errno;
      if (errno_value == EPIPE) sigpipe.take_back();
      throw_errno(errno_value, "write", target_.path);
    }
    data += put;
    length -= static_cast<std::size_t>(put);
  }
}

}  // namespace qubes::storage
