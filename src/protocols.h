// SPDX-License-Identifier: LGPL-2.1-or-later
// The protocols: what each operation does to the files of a volume, in which order, and why that
// order loses nothing. They run under the volume's lock, after the sweep. What each file is:
// docs/ON_DISK.md.
//
// C clean, D dirty, P precache, I import, R revision. P is absent or valid here: the sweep removed
// any other. "barrier" is a sync of the directory where the filesystem does not keep the order of
// names.
#ifndef QUBES_STORAGE_SRC_PROTOCOLS_H
#define QUBES_STORAGE_SRC_PROTOCOLS_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "src/fs/error.h"
#include "src/images.h"

namespace qubes::storage {

inline constexpr int kSnapshotsDisabled = -1;

// The content that was to be committed may be incomplete, and a later sync would not say so.
class SyncFailed : public Error {
 public:
  SyncFailed(Code code, int errno_value, std::string path)
      : Error(code, errno_value, "sync session", std::move(path),
              "what was written last may be lost") {}
};

// Makes a new file `name`, or replaces it, of `file`, which has no name, or of what `fill` writes
// into an empty one. Its name is durable after the next settle, its content before that.
void publish(Images& at, const std::string& name, FilePtr file);
void publish(Images& at, const std::string& name, const std::function<void(File&)>& fill);

// Makes what D or I holds durable. Throws SyncFailed.
void sync_content(Images& at, const std::string& name);

// Makes `from` (D or I) the committed state, and the state before it the newest revision; removes
// the revisions beyond `revisions_to_keep`.
void commit(Images& at, const std::string& from, int revisions_to_keep);

// Begins or resumes a session from C.
void start_from_clean(Images& at);

// Begins a session (there is none) from another volume's committed state, which `source` reads.
void start_from_source(Images& at, File& source, std::uint64_t size_at_least);

// Begins a session (there is none) in the committed state itself (snapshots disabled).
void start_in_place(Images& at);

// Makes C an inode that has no other name, with the same content.
void make_clean_private(Images& at);

// The committed state that a snapshot volume starts from.
struct SnapshotSource {
  const FileStatus& state;
  const Directory& directory;
  const std::string& name;
};

// Begins a session that is never saved: an empty one, or one that starts from `source`, which
// `file` reads; C becomes a second name of that.
void start_volatile(Images& at, std::uint64_t size_bytes);
void start_snapshot(Images& at, const SnapshotSource& source, File& file,
                    std::uint64_t size_at_least);

// Ends a session that is never saved.
void end_unsaved(Images& at);

// Ends a session of a saved volume without committing it. C is there.
void discard(Images& at);

// Makes a revision the committed state, and the state before it the newest revision.
void revert(Images& at, const Revision& target);

// Makes an empty C.
void create(Images& at, std::uint64_t size_bytes);

// Changes the size of C by replacing it. A longer state that is cut becomes a revision.
void resize_clean(Images& at, std::uint64_t size_bytes, int revisions_to_keep);

// Makes I, empty, and returns it with its lock held.
FilePtr begin_import(Images& at, std::uint64_t size_bytes);

// Removes every file of the volume. The removal of the directory, or of the names, is not settled
// yet.
void remove_all(Images& at);

// Removes the oldest revisions until `keep` are left. Not settled.
void prune(Images& at, std::size_t keep);
void prune_and_settle(Images& at, std::size_t keep);

// P is made where it is of use, by reflink only. Losing it is never an error.
bool precache_is_wanted(const Images& at);
void publish_precache(Images& at, FilePtr clone);

// P of a stopped snapshot volume, `clone` of the source; C becomes a second name of that.
void publish_snapshot_precache(Images& at, const SnapshotSource& source, FilePtr clone);
void drop_snapshot_precache(Images& at);

}  // namespace qubes::storage

#endif
