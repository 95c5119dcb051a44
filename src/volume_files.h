// SPDX-License-Identifier: LGPL-2.1-or-later
// Which files of a volume there are.
#ifndef QUBES_STORAGE_SRC_VOLUME_FILES_H
#define QUBES_STORAGE_SRC_VOLUME_FILES_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/fs/filesystem.h"
#include "src/names.h"

namespace qubes::storage {

struct Revision {
  RevisionName name;
  std::string file_name;
  FileStatus status;
};

struct VolumeFiles {
  std::optional<FileStatus> clean;
  std::optional<FileStatus> dirty;
  std::optional<FileStatus> precache;
  std::optional<FileStatus> import;
  std::vector<Revision> revisions;  // by number; files of one number by name
  std::vector<std::string> temporaries;
  std::uint64_t highest_number = 0;  // of all names of revisions, also of what is no regular file

  // Whether there is a volume: anything but what a crash may leave.
  bool any() const { return clean || dirty || !revisions.empty(); }

  // Whether a rename of the precache gives what a clone of the clean image would. A second name for
  // it would let a session write to another file.
  bool precache_is_valid() const;

  // Whether the precache is one that a stopped snapshot volume keeps: a clone of its C, which is a
  // second name of its source's. Its mark tells it from an origin's, whose C must not be lost.
  bool precache_is_of_snapshot() const;

  // Whether the revision is a second name of the clean image: of a commit or a revert that has not
  // published anything yet, or whose rename the filesystem kept both names of.
  bool is_clean(const Revision& revision) const {
    return clean && revision.status.same_inode(*clean);
  }

  // Throws corrupt where there is none left.
  std::uint64_t next_revision_number() const;

 private:
  bool precache_has_mtime_of_clean_and(std::int64_t more_ns) const;
};

// What is added to the mtime of C for the precache of a snapshot volume.
inline constexpr std::int64_t kSnapshotMarkNs = 1;

// Throws corrupt where one of the four fixed names is not a regular file. A revision or temporary
// that is none is foreign.
VolumeFiles scan(Filesystem& fs, const Directory& directory, const ImageNames& names);

}  // namespace qubes::storage

#endif
