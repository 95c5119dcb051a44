// SPDX-License-Identifier: LGPL-2.1-or-later
// The states of a volume beside each other: which is the same as another, and the second name by
// which one stays when it is replaced.
#ifndef QUBES_STORAGE_SRC_HISTORY_H
#define QUBES_STORAGE_SRC_HISTORY_H

#include <string>

#include "src/images.h"

namespace qubes::storage {

// Whether the session has written nothing, so that a commit would keep the same state twice.
bool session_is_unchanged(Images& at);

// C gets a second name R, which is returned; until something replaces C, the sweep takes it back.
// "" where the newest R holds C's content already.
std::string link_clean_as_revision(Images& at);

// Where names keep no order, the rename that replaces C may leave no C at all if its inode has
// another name in that directory: a snapshot beside its source (docs/CRASH_MODEL.md, "target
// lost"). Then recovery needs an R.
bool clean_may_get_lost(Images& at);

// The newest revision that is not the committed state itself, neither by inode nor (as the peer's
// interrupted operations leave it) by content; null where there is none.
const Revision* newest_other_revision(Images& at);

}  // namespace qubes::storage

#endif
