// SPDX-License-Identifier: LGPL-2.1-or-later
// ^C in a long copy: the copy is asked to stop, and leaves nothing behind.
#ifndef QUBES_STORAGE_TOOLS_INTERRUPT_H
#define QUBES_STORAGE_TOOLS_INTERRUPT_H

#include <signal.h>

#include <array>

namespace tool {

// While it lives, SIGINT, SIGTERM and SIGHUP are noted instead of ending the process; those that
// were ignored stay so. A second one of the same kind ends it at once. There is one at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // The signal that came, or 0.
  static int signal();

 private:
  std::array<struct sigaction, 3> before_{};
};

// Ends the process by the signal, with its usual effect, so that a shell's loop ends with it.
[[noreturn]] void end_by_signal(int signal);

}  // namespace tool

#endif
