// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/precache_tasks.h"

#include <optional>
#include <utility>

#include "src/committed.h"
#include "src/fs/error.h"
#include "src/protocols.h"

namespace qubes::storage {
namespace {

// It is filled without the lock of the volume. Where it has a name meanwhile (a filesystem without
// unnamed files), whatever operation comes next sweeps that.
FilePtr create_target(Images& at) {
  FilePtr target = at.fs.create_unnamed(*at.directory, at.names.precache);
  if (at.fs.status(*target).link_count > 0) {
    refuse(Code::not_supported, "make precache", at.path(at.names.precache),
           "the filesystem has no files without a name");
  }
  return target;
}

// The clone, if it is complete, still asked for, and nobody else has taken it.
FilePtr take_complete(Precaches& precaches, const Location& location, std::uint64_t request,
                      const FileStatus& source) {
  auto made = precaches.take(location.vid.text(), source);
  if (!made || made->done_bytes < source.size_bytes) return nullptr;
  if (!precaches.is_requested(location.vid.text(), request)) return nullptr;
  return std::move(made->file);
}

// However the task ends, no clone stays behind: it would keep a descriptor, and its blocks.
class NothingLeft {
 public:
  NothingLeft(Precaches& precaches, const Location& location, const FileStatus& source)
      : precaches_(precaches), vid_(location.vid.text()), source_(source) {}
  ~NothingLeft() { precaches_.take(vid_, source_); }
  NothingLeft(const NothingLeft&) = delete;
  NothingLeft& operator=(const NothingLeft&) = delete;

 private:
  Precaches& precaches_;
  const std::string vid_;
  const FileStatus source_;
};

// After the stop that asked for it there was no C. One that has come since may be all there is of
// an origin that another program has made under that name, unless a P of a snapshot says otherwise.
bool snapshot_precache_is_wanted(const Images& at, const FileStatus& source) {
  if (at.files.dirty || !at.files.revisions.empty()) return false;
  if (!at.files.clean) return true;
  return at.files.precache_is_of_snapshot() && !at.files.clean->same_inode(source);
}

}  // namespace

void make_precache(const Location& location, Precaches& precaches, std::uint64_t request) {
  FilePtr clean;
  FilePtr target;
  {
    Operation operation(location, MissingDirectory::refuse, nullptr, nullptr);
    Images& at = operation.images();
    if (!precaches.is_requested(location.vid.text(), request) || !precache_is_wanted(at)) return;
    clean = at.open(at.names.clean, Access::read);
    target = create_target(at);
  }
  const FileStatus state = location.fs->status(*clean);
  const NothingLeft nothing_left(precaches, location, state);
  precaches.make(*location.fs, location.vid.text(), std::move(clean), std::move(target));
  Operation operation(location, MissingDirectory::refuse, nullptr, nullptr);
  Images& at = operation.images();
  FilePtr made = take_complete(precaches, location, request, state);
  if (!made || !precache_is_wanted(at) || !same_state(*at.files.clean, state)) return;
  publish_precache(at, std::move(made));
}

void make_snapshot_precache(const Location& location, const Location& source, Precaches& precaches,
                            std::uint64_t request) {
  std::optional<Precaches::Reading> reading;  // until `opened` is closed, and with it the lock gone
  std::optional<Committed> opened = try_open_committed(source);
  if (!opened) return;  // The next start looks for itself.
  Committed& committed = *opened;
  reading.emplace(precaches, committed.status);
  FilePtr target;
  {
    Operation operation(location, MissingDirectory::refuse, nullptr, nullptr);
    Images& at = operation.images();
    if (!precaches.is_requested(location.vid.text(), request)) return;
    if (!snapshot_precache_is_wanted(at, committed.status)) return;
    target = create_target(at);
  }
  const NothingLeft nothing_left(precaches, location, committed.status);
  precaches.make(*location.fs, location.vid.text(), std::move(committed.file), std::move(target));
  Operation operation(location, MissingDirectory::refuse, nullptr, nullptr);
  Images& at = operation.images();
  FilePtr made = take_complete(precaches, location, request, committed.status);
  if (!made || !snapshot_precache_is_wanted(at, committed.status)) return;
  // Its lock again, until its second name is there: nobody starts in that inode meanwhile.
  const std::optional<Committed> pinned = try_open_committed(source);
  if (!pinned || !same_state(pinned->status, committed.status)) return;
  publish_snapshot_precache(at, {committed.status, *committed.directory, source.names.clean},
                            std::move(made));
  // The name may have come to mean a newer state between the look and the link.
  auto linked = at.fs.status(*at.directory, at.names.clean);
  if (!linked || !same_state(*linked, committed.status)) drop_snapshot_precache(at);
}

}  // namespace qubes::storage
