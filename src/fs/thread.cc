// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/fs/thread.h"

#include <unistd.h>

#include <csignal>
#include <utility>

namespace qubes::storage {
namespace {

// A new thread inherits the mask of its maker.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

std::thread start_thread(std::function<void()> body) {
  SignalsBlocked blocked;
  return std::thread(std::move(body));
}

int this_process() {
  return ::getpid();
}

}  // namespace qubes::storage
