// SPDX-License-Identifier: LGPL-2.1-or-later
// Precaches in the making. The clone of a fragmented image takes seconds, so the worker makes it in
// pieces and without the volume's lock; an operation that needs such a clone at once takes over
// what is there.
#ifndef QUBES_STORAGE_SRC_PRECACHES_H
#define QUBES_STORAGE_SRC_PRECACHES_H

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "src/fs/filesystem.h"

namespace qubes::storage {

// Which inode is cloned, and that nobody has written to it since.
bool same_state(const FileStatus& a, const FileStatus& b);

class Precaches {
 public:
  struct Clone {
    FilePtr file;  // unnamed
    std::uint64_t done_bytes = 0;
  };

  // Asks for a precache of the volume. The next request, or drop(), takes it back: what waits for
  // the worker must not come after the volume was removed.
  std::uint64_t request(const std::string& vid);
  bool is_requested(const std::string& vid, std::uint64_t number);

  // Clones `source` into `target`, for the volume `vid`, until it is done or taken. Throws what the
  // clone throws, and not_supported where no blocks can be shared.
  void make(Filesystem& fs, const std::string& vid, FilePtr source, FilePtr target);

  // What has been made for the volume from a file in this state; it is the caller's from now on. If
  // it is being made just now, waits for the end of the piece.
  std::optional<Clone> take(const std::string& vid, const FileStatus& source);

  // Nobody will want what was requested or is being made for the volume.
  void drop(const std::string& vid);

  // That the library reads the inode, with its lock, in the background: until it is destroyed. Who
  // has one waits for no lock of that volume, whose start waits for it.
  class Reading {
   public:
    Reading(Precaches& precaches, const FileStatus& source);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    Precaches& precaches_;
    const std::list<FileStatus>::iterator entry_;
  };

  // Nothing in the background reads the inode any more when this returns.
  void drop_readers(const FileStatus& source);

 private:
  struct Entry {
    FileStatus source;
    bool is_taken = false;  // the maker ends after the piece
    bool is_idle = false;   // the maker has let go
    Clone clone;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  void clone(Filesystem& fs, Entry& entry, File& source, File& target);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<FileStatus> readings_;
  std::map<std::string, EntryPtr> entries_;        // by vid
  std::map<std::string, std::uint64_t> requests_;  // the same
  std::uint64_t last_request_ = 0;
};

}  // namespace qubes::storage

#endif
