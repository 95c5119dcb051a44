// SPDX-License-Identifier: LGPL-2.1-or-later
// Import and export of image volumes. A long copy holds no lock but that of the import's own file.
#include <utility>

#include "src/fs/error.h"
#include "src/image_volume.h"
#include "src/protocols.h"

namespace qubes::storage {

FilePtr ImageVolume::open_committed() {
  require_saved("export volume");
  return std::move(storage::open_committed(location_, nullptr).file);
}

// The file of an import that is being copied stays this handle's, also if somebody removed it.
void ImageVolume::require_no_copy() const {
  std::lock_guard guard(mutex_);
  if (import_ && import_->copying) {
    refuse(Code::busy, "import volume", vid(), "this handle is copying an import");
  }
}

void ImageVolume::begin_held_import(std::uint64_t size_bytes, bool copying,
                                    const Progress& progress) {
  if (size_bytes > kSizeMax) refuse(Code::invalid, "import volume", vid(), "too large");
  Operation operation(location_, MissingDirectory::make_durable, &threads_, progress);
  Images& at = operation.images();
  try {
    if (at.files.dirty) {
      refuse(Code::dirty, "import volume", vid(), "it has a session that was not committed");
    }
    require_no_import(at, "import volume");
    require_no_copy();
    FilePtr file = begin_import(at, size_bytes);
    std::lock_guard guard(mutex_);
    import_ = HeldImport{std::move(file), copying, false};
  } catch (...) {
    operation.undo_directory();
    throw;
  }
}

void ImageVolume::end_held_import(bool success, bool copying, const Progress& progress) {
  Operation operation(location_, MissingDirectory::refuse, &threads_, progress);
  Images& at = operation.images();
  FilePtr held;
  {
    std::lock_guard guard(mutex_);
    if (!import_) {
      refuse(Code::not_found, "end import", vid(), "this handle holds no import");
    }
    if (import_->copying != copying) {
      refuse(Code::busy, "end import", vid(), "it is still being copied");
    }
    if (success && import_->lost) throw SyncFailed(Code::io, 0, import_path());
    held = std::move(import_->file);
    import_.reset();
  }
  if (!at.files.import || !at.files.import->same_inode(at.fs.status(*held))) {
    refuse(Code::not_found, "end import", at.path(at.names.import), "somebody removed it");
  }
  try {
    if (!success) {
      at.changes.unlink(at.names.import);
      // As it was before. Not synced: that would write what was copied, and a cancel waits for it.
      if (!at.files.any()) operation.drop_directory_if_empty();
      return;
    }
    if (at.files.dirty) {
      refuse(Code::dirty, "end import", vid(), "a session was made while the import went on");
    }
    commit(at, at.names.import, properties().revisions_to_keep);
  } catch (const SyncFailed&) {
    std::lock_guard guard(mutex_);
    import_ = HeldImport{std::move(held), copying, true};
    throw;
  } catch (const Error& error) {
    if (error.code() != Code::unknown_outcome) {
      std::lock_guard guard(mutex_);
      import_ = HeldImport{std::move(held), copying, false};
    }
    throw;
  }
  {
    std::lock_guard guard(mutex_);
    properties_.nominal_size_bytes = at.fs.status(*held).size_bytes;
  }
  make_precache_later();
}

void ImageVolume::import_begin(std::uint64_t size_bytes, const Progress& progress) {
  if (!config_.save_on_stop) return;
  begin_held_import(size_bytes, false, progress);
}

void ImageVolume::import_end(bool success, const Progress& progress) {
  if (!config_.save_on_stop) return;
  end_held_import(success, false, progress);
}

void ImageVolume::import_copy(const Progress& progress,
                              const std::function<void(File&, const Progress&)>& fill) {
  begin_held_import(0, true, progress);
  // To whom it is told how much is copied, it is not told that nothing is when that is over.
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  const Progress copied = [&](std::uint64_t done_now, std::optional<std::uint64_t> total_now) {
    done = done_now;
    total = total_now;
    if (progress) progress(done, total);
  };
  const Progress unless_cancelled = [&](auto, auto) {
    if (progress) progress(done, total);
  };
  try {
    fill(*import_->file, copied);  // nobody else ends an import that is being copied
    end_held_import(true, true, unless_cancelled);
  } catch (...) {
    try {
      end_held_import(false, true, {});
    } catch (...) {
      std::lock_guard guard(mutex_);
      import_.reset();  // The sweep removes it.
    }
    throw;
  }
}

void ImageVolume::import_volume(Volume& source, const Progress& progress) {
  if (!config_.save_on_stop) return;
  FilePtr content = source.open_committed();
  import_copy(progress, [&](File& target, const Progress& copied) {
    location_.fs->clone(*content, target, copied);
  });
}

void ImageVolume::import_file(FilePtr source, std::optional<std::uint64_t> size_bytes,
                              const Progress& progress) {
  if (!config_.save_on_stop) return;
  if (size_bytes && *size_bytes > kSizeMax) {
    refuse(Code::invalid, "import volume", vid(), "too large");
  }
  // A stream that brings more than it should must not fill the disk first.
  Progress bounded = [&](std::uint64_t done, std::optional<std::uint64_t> total) {
    if (size_bytes && done > *size_bytes) {
      refuse(Code::invalid, "import volume", vid(), "the data is longer than the size given");
    }
    if (progress) progress(done, total ? total : size_bytes);
  };
  import_copy(bounded, [&](File& target, const Progress& copied) {
    location_.fs->clone(*source, target, copied);
    if (size_bytes && location_.fs->status(target).size_bytes != *size_bytes) {
      refuse(Code::invalid, "import volume", vid(), "the data has another size than the one given");
    }
  });
}

}  // namespace qubes::storage
