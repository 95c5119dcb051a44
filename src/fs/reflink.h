// SPDX-License-Identifier: LGPL-2.1-or-later
// Sharing the blocks of one file with another.
#ifndef QUBES_STORAGE_SRC_FS_REFLINK_H
#define QUBES_STORAGE_SRC_FS_REFLINK_H

#include <cstdint>

#include "src/fs/filesystem.h"
#include "src/fs/transfer.h"

namespace qubes::storage {

// The whole of `source` at once. False where the kernel says that these two files cannot share
// blocks.
bool share_blocks(OpenFile source, OpenFile target);

// The last block only: to see whether they can.
bool share_last_block(OpenFile source, OpenFile target);

// The same as share_blocks, from byte `from` on (what is before it is there already), into a file
// without data after it. With a `progress`: in pieces, between which others get at the inodes, and
// `progress` may end it by throwing.
bool share_blocks_in_pieces(OpenFile source, OpenFile target, std::uint64_t from,
                            const Progress& progress);

}  // namespace qubes::storage

#endif
