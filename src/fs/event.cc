// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/fs/event.h"

#include <sys/eventfd.h>

#include <cstdint>

#include "src/fs/error.h"

namespace qubes::storage {

Event::Event() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw_errno(errno, "make an event", "");
}

void Event::set() noexcept {
  // It cannot fail: the counter is far from its maximum, and what is written is its size.
  const std::uint64_t once = 1;
  [[maybe_unused]] const ssize_t written =
      retry([&] { return ::write(fd_.get(), &once, sizeof once); });
}

}  // namespace qubes::storage
