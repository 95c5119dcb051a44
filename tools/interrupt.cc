// SPDX-License-Identifier: LGPL-2.1-or-later
// ^C in a long copy: the copy is asked to stop, and leaves nothing behind.
#include "tools/interrupt.h"

#include <unistd.h>

#include <cstddef>

namespace tool {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t noted_signal = 0;

void note(int number) {
  noted_signal = number;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int InterruptGuard::signal() {
  return noted_signal;
}

void end_by_signal(int signal) {
  static_cast<void>(::signal(signal, SIG_DFL));
  static_cast<void>(raise(signal));
  _exit(128 + signal);
}

}  // namespace tool
