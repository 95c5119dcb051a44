// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/protocols.h"

#include <utility>

#include "src/history.h"

namespace qubes::storage {
namespace {

void grow_to(Images& at, File& file, std::uint64_t size_at_least) {
  if (at.fs.status(file).size_bytes < size_at_least) at.fs.set_size(file, size_at_least);
}

// A clone of `source`, which is in that state, without a name: made now, or begun by the worker and
// made complete now.
FilePtr make_clone(Images& at, File& source, const FileStatus& state, const std::string& for_name) {
  if (auto begun = at.take_clone ? at.take_clone(state) : std::nullopt;
      begun && begun->done_bytes > 0) {
    if (begun->done_bytes < state.size_bytes) {
      at.fs.clone_shared(source, *begun->file, begun->done_bytes, at.progress);
    }
    return std::move(begun->file);
  }
  FilePtr file = at.fs.create_unnamed(*at.directory, for_name);
  at.fs.clone(source, *file, at.progress);
  return file;
}

FilePtr clone_clean(Images& at, const std::string& for_name) {
  FilePtr clean = at.open(at.names.clean, Access::read);
  return make_clone(at, *clean, *at.files.clean, for_name);
}

// A clone of C with another size takes the name `name`.
void publish_resized(Images& at, const std::string& name, std::uint64_t size_bytes) {
  FilePtr file = clone_clean(at, name);
  at.fs.set_size(*file, size_bytes);
  publish(at, name, std::move(file));
}

// That R, durable, for a rename that makes none of its own: its name, or "" where none is needed.
std::string secure_clean(Images& at) {
  if (!clean_may_get_lost(at)) return "";
  std::string name = link_clean_as_revision(at);
  at.changes.barrier();
  return name;
}

// A name that has served: of the R above, or of what will not be published (if it was, it has that
// name no more). "" is none. Failing at it must not fail what was done.
void drop_name(Images& at, const std::string& name) noexcept {
  try {
    if (!name.empty()) at.changes.unlink(name);
  } catch (...) {
    // The sweep will, or the next commit prunes it.
  }
}

// Only a name is gained or lost by it, so failing at it must not fail what was answered already.
void prune_committed(Images& at, int revisions_to_keep) {
  if (revisions_to_keep < 0) return;
  try {
    at.rescan();
    prune(at, static_cast<std::size_t>(revisions_to_keep));
  } catch (...) {
    // The next commit prunes again.
  }
}

// Makes I, a shorter C; commit syncs it. P is renamed before it is cut: cut, it must never pass for
// C.
void shrink_clean(Images& at, std::uint64_t size_bytes) {
  FilePtr file;
  if (at.files.precache_is_valid()) {
    at.changes.rename(at.names.precache, at.names.import);
    file = at.open(at.names.import, Access::read_write);
    at.fs.set_size(*file, size_bytes);
  } else {
    file = clone_clean(at, at.names.import);
    at.fs.set_size(*file, size_bytes);
    at.fs.link_unnamed(*file, *at.directory, at.names.import);
  }
  at.fs.close(std::move(file));
}

// Makes `file` the session, one that a crash may throw away: never synced.
void link_unsynced(Images& at, FilePtr file) {
  at.changes.unlink(at.names.dirty);
  at.fs.link_unnamed(*file, *at.directory, at.names.dirty);
  at.fs.close(std::move(file));
}

}  // namespace

void publish(Images& at, const std::string& name, FilePtr file) {
  publish_file(at.fs, at.directory, at.changes, name, std::move(file));
}

void publish(Images& at, const std::string& name, const std::function<void(File&)>& fill) {
  publish_file(at.fs, at.directory, at.changes, name, fill);
}

void sync_content(Images& at, const std::string& name) {
  FilePtr content = at.open(name, Access::read);
  try {
    at.fs.sync(*content);
  } catch (const Error& error) {
    throw SyncFailed(error.code(), error.errno_value(), at.path(name));
  }
}

void commit(Images& at, const std::string& from, int revisions_to_keep) {
  const bool repeats_old = from == at.names.dirty && session_is_unchanged(at);
  const bool keeps_old = revisions_to_keep > 0 && !repeats_old;
  std::string linked;

  // What a crash after each step leaves:
  sync_content(at, from);                // `from` as it was, now whole.
  at.progress(0, std::nullopt);          // The last moment for a cancel.
  at.changes.unlink(at.names.precache);  // No P: it is only slow.
  if (keeps_old || clean_may_get_lost(at)) {
    linked = link_clean_as_revision(at);  // An R that is C: swept.
  }
  at.changes.barrier();                     // The same, and no old P can come back.
  at.changes.rename(from, at.names.clean);  // The old state or the new one, and R.
  at.changes.settle();                      // The new one.
  if (!keeps_old) drop_name(at, linked);    // The same, and that R or not.
  // Where no state was added, none has to go; and one that the peer added twice must not push one
  // out.
  if (!repeats_old) prune_committed(at, revisions_to_keep);
}

void start_from_clean(Images& at) {
  if (at.files.dirty) {
    at.changes.settle();  // The name of D may be as young as the process that died after making it.
    return;
  }
  if (at.files.precache_is_valid()) {
    at.changes.rename(at.names.precache, at.names.dirty);  // D equals C: as if started, or not.
  } else {
    FilePtr file = clone_clean(at, at.names.dirty);
    at.fs.set_mtime(*file, at.files.clean->mtime_ns);
    publish(at, at.names.dirty, std::move(file));
  }
  at.changes.settle();  // Only now may the guest write: what it syncs must not lose its name.
}

void start_from_source(Images& at, File& source, std::uint64_t size_at_least) {
  at.changes.barrier();  // A dead process may have published the last session: it must be C by now.
  publish(at, at.names.dirty, [&](File& file) {
    at.fs.clone(source, file, at.progress);
    grow_to(at, file, size_at_least);
  });
  at.changes.settle();
}

void make_clean_private(Images& at) {
  FilePtr file = clone_clean(at, at.names.clean);
  at.fs.set_mtime(*file, at.files.clean->mtime_ns);
  const std::string secured = secure_clean(at);
  publish(at, at.names.clean, std::move(file));  // The same content, as one inode or another.
  at.changes.settle();
  drop_name(at, secured);
  at.rescan();
}

void start_in_place(Images& at) {
  at.changes.barrier();  // C must not hang on a name that a dead process left unsynced.
  prune(at, 0);          // C, with less history or none.
  at.changes.barrier();  // C alone. An R now would pass for C below.
  at.changes.unlink(at.names.precache);
  at.changes.rename(at.names.clean, at.names.dirty);  // C or D: the one there is, is the state.
  at.changes.settle();
}

void start_volatile(Images& at, std::uint64_t size_bytes) {
  FilePtr file = at.fs.create_unnamed(*at.directory, at.names.dirty);
  at.fs.set_size(*file, size_bytes);
  link_unsynced(at, std::move(file));
}

// A C without a D and without a P of a snapshot looks like an origin's: it comes last and goes
// first. All this may be lost, so nothing is synced.
void start_snapshot(Images& at, const SnapshotSource& source, File& file,
                    std::uint64_t size_at_least) {
  if (at.files.precache_is_of_snapshot() && at.files.clean->same_inode(source.state)) {
    at.changes.unlink(at.names.dirty);
    FilePtr precache = at.open(at.names.precache, Access::read_write);
    grow_to(at, *precache, size_at_least);
    at.changes.rename(at.names.precache, at.names.dirty);
    return;
  }
  at.changes.unlink(at.names.clean);
  at.changes.unlink(at.names.precache);
  FilePtr clone = make_clone(at, file, source.state, at.names.dirty);
  grow_to(at, *clone, size_at_least);
  link_unsynced(at, std::move(clone));
  try {
    at.fs.link(source.directory, source.name, *at.directory, at.names.clean);
  } catch (...) {
    at.changes.unlink(at.names.dirty);  // It was not started.
    throw;
  }
}

void publish_snapshot_precache(Images& at, const SnapshotSource& source, FilePtr clone) {
  at.changes.unlink(at.names.clean);
  at.fs.set_mtime(*clone, source.state.mtime_ns + kSnapshotMarkNs);
  publish(at, at.names.precache, std::move(clone));  // A P without a C is worth nothing yet.
  try {
    at.fs.link(source.directory, source.name, *at.directory, at.names.clean);
  } catch (...) {
    at.changes.unlink(at.names.precache);
    throw;
  }
}

void drop_snapshot_precache(Images& at) {
  at.changes.unlink(at.names.clean);
  at.changes.unlink(at.names.precache);
}

void end_unsaved(Images& at) {
  at.changes.unlink(at.names.clean);
  at.changes.unlink(at.names.precache);
  at.changes.unlink(at.names.dirty);
}

void discard(Images& at) {
  at.changes.unlink(at.names.dirty);
  at.changes.settle();
}

void revert(Images& at, const Revision& target) {
  // What a crash after each step leaves:
  at.changes.unlink(at.names.precache);                 // No P: it is only slow.
  link_clean_as_revision(at);                           // An R that is C: swept.
  at.changes.barrier();                                 // The same, and no old P can come back.
  at.changes.rename(target.file_name, at.names.clean);  // The present state or the target, and R.
  at.changes.settle();                                  // The target.
}

void create(Images& at, std::uint64_t size_bytes) {
  at.changes.unlink(at.names.precache);
  publish(at, at.names.clean, [&](File& file) { at.fs.set_size(file, size_bytes); });
  at.changes.settle();
}

void resize_clean(Images& at, std::uint64_t size_bytes, int revisions_to_keep) {
  if (size_bytes < at.files.clean->size_bytes) {
    shrink_clean(at, size_bytes);  // An I that nobody holds: swept.
    try {
      commit(at, at.names.import, revisions_to_keep);  // What is cut off stays in a revision.
    } catch (...) {
      drop_name(at, at.names.import);
      throw;
    }
    return;
  }
  const std::string secured = secure_clean(at);  // An R that is C: swept.
  if (at.files.precache_is_valid()) {
    FilePtr file = at.open(at.names.precache, Access::read_write);
    at.fs.set_size(*file, size_bytes);  // A P of another size than C: not valid.
    at.fs.sync(*file);
    at.fs.close(std::move(file));
    at.changes.rename(at.names.precache, at.names.clean);  // The old size, or the new one.
  } else {
    publish_resized(at, at.names.clean, size_bytes);
  }
  at.changes.settle();  // The new one.
  drop_name(at, secured);
}

void prune_and_settle(Images& at, std::size_t keep) {
  at.changes.barrier();  // No state that stays hangs on a name that a dead process left unsynced.
  prune(at, keep);       // The old history or the new one.
  at.changes.settle();   // The new one.
}

FilePtr begin_import(Images& at, std::uint64_t size_bytes) {
  FilePtr file = at.fs.create_unnamed(*at.directory, at.names.import);
  at.fs.set_size(*file, size_bytes);
  if (!at.fs.try_lock(*file, LockMode::exclusive)) {
    refuse(Code::internal, "lock import", at.path(at.names.import), "a new file is locked");
  }
  at.fs.link_unnamed(*file, *at.directory, at.names.import);  // An I that nobody holds: swept.
  return file;
}

void remove_all(Images& at) {
  // C goes last: until then the volume is there and can be removed again. Without C, an R left
  // behind would be taken for it, and a D for a session.
  prune(at, 0);
  at.changes.unlink(at.names.dirty);
  at.changes.unlink(at.names.precache);
  at.changes.barrier();
  at.changes.unlink(at.names.clean);
}

void prune(Images& at, std::size_t keep) {
  auto& revisions = at.files.revisions;
  for (std::size_t i = 0; i + keep < revisions.size(); ++i) {
    at.changes.unlink(revisions[i].file_name);
  }
}

bool precache_is_wanted(const Images& at) {
  return at.files.clean && !at.files.dirty && !at.files.precache;
}

void publish_precache(Images& at, FilePtr clone) {
  at.fs.set_mtime(*clone, at.files.clean->mtime_ns);  // What makes it valid.
  publish(at, at.names.precache, std::move(clone));
}

}  // namespace qubes::storage
