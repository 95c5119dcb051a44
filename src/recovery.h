// SPDX-License-Identifier: LGPL-2.1-or-later
// The sweep: what a crash left is cleared before anything else is done to a volume.
#ifndef QUBES_STORAGE_SRC_RECOVERY_H
#define QUBES_STORAGE_SRC_RECOVERY_H

#include <string>
#include <vector>

#include "src/images.h"

namespace qubes::storage {

struct Finding {
  std::string vid;
  std::string found;
  std::string action;
};

// Brings the volume into a state that some operation could have left, the same whether a crash
// came before or after its own steps. Afterwards `at.files` is up to date; an import that
// is still there is held by somebody. Never removes the last name of a committed
// state, a revision or a session.
// `findings`, if not null, is told each of them, with an empty vid.
void sweep(Images& at, std::vector<Finding>* findings = nullptr);

}  // namespace qubes::storage

#endif
