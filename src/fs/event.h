// SPDX-License-Identifier: LGPL-2.1-or-later
// Something that happens once, as a descriptor for poll(2) and its like.
#ifndef QUBES_STORAGE_SRC_FS_EVENT_H
#define QUBES_STORAGE_SRC_FS_EVENT_H

#include "src/fs/descriptor.h"

namespace qubes::storage {

class Event {
 public:
  Event();

  // Not readable before set(), readable ever after: nobody reads it.
  int fd() const { return fd_.get(); }
  void set() noexcept;

 private:
  const UniqueFd fd_;
};

}  // namespace qubes::storage

#endif
