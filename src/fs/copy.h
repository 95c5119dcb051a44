// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies and compares the contents of files: holes stay holes, sizes are exact.
#ifndef QUBES_STORAGE_SRC_FS_COPY_H
#define QUBES_STORAGE_SRC_FS_COPY_H

#include "src/fs/filesystem.h"
#include "src/fs/transfer.h"

namespace qubes::storage {

// Replaces the content of `target`, a regular file, by that of `source`. Of a regular file the
// whole (its offset does not matter and is left as it was), of anything else what can be read.
// Aligned blocks of zeros become holes. Throws io if the source shrinks meanwhile.
void copy_to_file(OpenFile source, OpenFile target, const Progress& progress);

// Writes the whole content of `source`, a regular file, to `target`, which cannot seek. A reader
// that went away is an error (EPIPE) and no signal. A target that does not block is waited for.
void copy_to_stream(OpenFile source, OpenFile target, const Progress& progress);

// Whether two regular files have the same size and the same bytes.
bool same_bytes(OpenFile a, OpenFile b);

}  // namespace qubes::storage

#endif
