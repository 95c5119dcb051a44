// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/image_volume.h"

#include <algorithm>
#include <utility>

#include "src/fs/error.h"
#include "src/history.h"
#include "src/precache_tasks.h"
#include "src/protocols.h"

namespace qubes::storage {
namespace {

// Each turn needs somebody else's operation, on this volume or its source, between two system
// calls.
constexpr int kStartTurns = 100;

std::optional<Location> locate_source(const PoolContext& pool, const VolumeConfig& config) {
  if (config.source.empty()) return std::nullopt;
  return Location(pool.fs, pool.config.dir_path, parse_vid(config.source, pool.config.prefixes));
}

// A pool may disable snapshots for its origins; the other kinds cannot.
int default_revisions_to_keep(const PoolContext& pool, const VolumeConfig& config) {
  if (config.revisions_to_keep) return *config.revisions_to_keep;
  const bool origin = config.save_on_stop && !config.snap_on_start;
  return origin ? pool.config.revisions_to_keep : std::max(pool.config.revisions_to_keep, 0);
}

}  // namespace

ImageVolume::ImageVolume(std::shared_ptr<PoolContext> pool, PoolThreads& threads,
                         std::string_view vid, const VolumeConfig& config)
    : pool_(std::move(pool)),
      threads_(threads),
      config_(config),
      location_(pool_->fs, pool_->config.dir_path, parse_vid(vid, pool_->config.prefixes)),
      source_(locate_source(*pool_, config)),
      properties_{config.size_bytes, config.rw, default_revisions_to_keep(*pool_, config)} {
  auto reject = [&](std::string_view reason) {
    refuse(Code::invalid, "check volume", std::string(vid), reason);
  };
  if (config.snap_on_start && !source_) reject("snap_on_start needs a source");
  if (!config.snap_on_start && source_) reject("a source needs snap_on_start");
  if (source_ && source_->vid.text() == location_.vid.text()) reject("it is its own source");
  if (config.size_bytes > kSizeMax) reject("its size is too large");
  if (config.ephemeral && (config.save_on_stop || config.snap_on_start || !config.rw)) {
    reject("only a volatile volume that is rw can be ephemeral");
  }
  check_revisions_to_keep(properties_.revisions_to_keep);
}

void ImageVolume::check_revisions_to_keep(int revisions_to_keep) const {
  if (revisions_to_keep < kSnapshotsDisabled) {
    refuse(Code::invalid, "check revisions_to_keep", vid(), "it is less than -1");
  }
  if (revisions_to_keep == kSnapshotsDisabled && !is_origin()) {
    refuse(Code::invalid, "check revisions_to_keep", vid(),
           "snapshots can be disabled on an origin only");
  }
}

ImageVolume::Properties ImageVolume::properties() const {
  std::lock_guard guard(mutex_);
  return properties_;
}

// ---- Refusals ----

void ImageVolume::require_saved(const char* step) const {
  if (!config_.save_on_stop) {
    refuse(Code::not_supported, step, vid(), "the volume is not saved on stop");
  }
}

void ImageVolume::require_clean(const Images& at, const char* step) const {
  if (!at.files.clean) {
    refuse(Code::not_found, step, at.path(at.names.clean), "there is no committed state");
  }
}

void ImageVolume::require_no_import(const Images& at, const char* step) const {
  if (at.files.import) {
    refuse(Code::busy, step, at.path(at.names.import), "an import is under way");
  }
}

// The volume is treated as one that is never saved: it must not be one that was, by a mistake of
// the caller.
void ImageVolume::require_unsaved(const Images& at, const char* step) const {
  if (!at.files.revisions.empty() || (at.files.clean && !config_.snap_on_start)) {
    refuse(Code::invalid, step, vid(),
           "it holds a committed state of its own, so it is an origin; this would lose it");
  }
}

// A snapshot's C is a second name of its source's, or was. Without a session, without a second name
// and with content that the source has nowhere, it may as well be an origin's only state.
bool ImageVolume::clean_may_be_own(Images& at) const {
  if (!at.files.clean || at.files.dirty || at.files.clean->link_count > 1) return false;
  if (at.files.precache_is_of_snapshot()) return false;
  DirectoryPtr directory = source_->open_vm(*source_->open_prefix());
  if (!directory) return true;
  const VolumeFiles source = scan(at.fs, *directory, source_->names);
  std::vector<std::string> states;
  if (source.clean) states.push_back(source_->names.clean);
  for (const Revision& revision : source.revisions) states.push_back(revision.file_name);
  FilePtr clean = at.open(at.names.clean, Access::read);
  return std::none_of(states.begin(), states.end(), [&](const std::string& state) {
    try {
      FilePtr file = at.fs.open_file(*directory, state, Access::read);
      return at.fs.same_content(*clean, *file);
    } catch (const Error&) {
      return false;  // It was pruned meanwhile, or cannot be read: it proves nothing.
    }
  });
}

// Null where the VM has no directory.
std::unique_ptr<Operation> ImageVolume::open_if_there(const Progress& progress) {
  try {
    return std::make_unique<Operation>(location_, MissingDirectory::refuse, &threads_, progress);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    return nullptr;
  }
}

// A volume that starts from itself must be there; of the others there may be nothing yet: null.
std::unique_ptr<Operation> ImageVolume::open_existing(const Progress& progress) {
  if (!is_origin()) return open_if_there(progress);
  return std::make_unique<Operation>(location_, MissingDirectory::refuse, &threads_, progress);
}

// ---- Create, verify, remove ----

void ImageVolume::create(const Progress& progress) {
  if (!is_origin()) {
    location_.open_prefix();  // offline?
    return;
  }
  Operation operation(location_, MissingDirectory::make_durable, &threads_, progress);
  Images& at = operation.images();
  if (at.files.any()) {
    refuse(Code::exists, "create volume", vid(), "it is there already; remove it first");
  }
  require_no_import(at, "create volume");
  try {
    storage::create(at, properties().nominal_size_bytes);
  } catch (...) {
    operation.undo_directory();
    throw;
  }
  make_precache_later();
}

void ImageVolume::verify(const Progress& progress) {
  DirectoryPtr prefix = location_.open_prefix();
  if (config_.snap_on_start) {
    storage::open_committed(*source_, &threads_);
  } else if (config_.save_on_stop) {
    Operation operation(location_, MissingDirectory::refuse, &threads_, progress);
    // A session alone is what a crash leaves of a volume with snapshots disabled.
    if (!operation.images().files.dirty) require_clean(operation.images(), "verify volume");
  }
}

void ImageVolume::remove(const Progress& progress) {
  auto operation = open_existing(progress);
  if (!operation && !config_.save_on_stop) return;
  if (!operation) refuse(Code::not_found, "remove volume", vid(), "nothing of it is there");
  Images& at = operation->images();
  require_no_import(at, "remove volume");
  if (config_.save_on_stop && !at.files.any() && !at.files.precache) {
    // What a removal that was cut off leaves last is the directory.
    if (operation->remove_directory_if_empty()) return;
    refuse(Code::not_found, "remove volume", vid(), "nothing of it is there");
  }
  threads_.precaches.drop(vid());
  remove_all(at);
  operation->remove_directory_if_empty();
}

// ---- Sessions ----

void ImageVolume::start(const Progress& progress) {
  if (is_origin()) return start_origin(progress);
  config_.save_on_stop ? start_origin_snapshot(progress) : start_unsaved(progress);
}

// The properties are read under the lock: what has set them has answered before this begins.
void ImageVolume::start_origin(const Progress& progress) {
  Operation operation(location_, MissingDirectory::refuse, &threads_, progress);
  Images& at = operation.images();
  require_no_import(at, "start volume");
  if (!at.files.dirty) {
    require_clean(at, "start volume");
    forget_lost_session();
  }
  if (properties().revisions_to_keep == kSnapshotsDisabled && !at.files.dirty) {
    start_in_place_alone(at);
  } else {
    start_from_clean(at);
  }
}

void ImageVolume::start_origin_snapshot(const Progress& progress) {
  for (int turn = 0; turn < kStartTurns; ++turn) {
    // Before the own lock is taken: two locks at once could wait for each other.
    std::optional<Committed> source;
    if (!look(location_).dirty) source = storage::open_committed(*source_, &threads_);
    Operation operation(location_, MissingDirectory::make_durable, &threads_, progress);
    Images& at = operation.images();
    require_no_import(at, "start volume");
    if (at.files.dirty) return start_from_clean(at);  // resumes
    forget_lost_session();
    if (source) return start_from_source(at, *source->file, properties().nominal_size_bytes);
    // The session was swept, or ended by somebody else, since it was seen.
  }
  refuse(Code::busy, "start volume", vid(), "its session is ended by somebody else all the time");
}

// Nobody else may be using the inode that the session will write to. Who begins to use it holds its
// shared lock until its second name is there. Snapshot volumes, which have such a name, keep the
// inode, and this volume gets another.
void ImageVolume::start_in_place_alone(Images& at) {
  threads_.precaches.drop_readers(*at.files.clean);
  FilePtr clean = at.open(at.names.clean, Access::read);
  if (!at.fs.try_lock(*clean, LockMode::exclusive)) {
    refuse(Code::busy, "start volume", at.path(at.names.clean),
           "an export or a clone is reading it, and snapshots are disabled");
  }
  if (at.fs.status(*clean).link_count > 1) {
    make_clean_private(at);
    return start_in_place_alone(at);
  }
  start_in_place(at);
}

void ImageVolume::start_unsaved(const Progress& progress) {
  if (!config_.snap_on_start) {
    Operation operation(location_, MissingDirectory::make, &threads_, progress);
    require_unsaved(operation.images(), "start volume");
    return start_volatile(operation.images(), properties().nominal_size_bytes);
  }
  if (try_start_snapshot(progress)) return;
  // What the first turn has made is there: a cancel would leave it.
  for (int turn = 1; turn < kStartTurns; ++turn) {
    if (try_start_snapshot(nullptr)) return;
  }
  refuse(Code::busy, "start volume", source_->vid.text(), "the source is committed all the time");
}

// False where the source has been committed meanwhile.
bool ImageVolume::try_start_snapshot(const Progress& progress) {
  Committed source = storage::open_committed(*source_, &threads_);
  Operation operation(location_, MissingDirectory::make, &threads_, progress);
  Images& at = operation.images();
  require_unsaved(at, "start volume");
  if (clean_may_be_own(at)) {
    refuse(Code::invalid, "start volume", vid(),
           "its committed state is nobody else's, so it may be an origin; remove it first");
  }
  auto is_still = [&](const Directory& directory, const std::string& name) {
    auto named = at.fs.status(directory, name);
    return named && named->same_inode(source.status);
  };
  if (!is_still(*source.directory, source_->names.clean)) return false;
  start_snapshot(at, {source.status, *source.directory, source_->names.clean}, *source.file,
                 properties().nominal_size_bytes);
  return is_still(*at.directory, at.names.clean);  // or was replaced before it was linked
}

void ImageVolume::stop(const Progress& progress) {
  if (!config_.save_on_stop) return discard(progress);
  auto operation = open_existing(progress);
  if (!operation) return;
  Images& at = operation->images();
  if (!at.files.dirty) {
    if (is_origin()) require_clean(at, "stop volume");
    at.changes.settle();  // What ended the session may have died before it could say so.
    return;
  }
  unless_lost(at, [&] { commit(at, at.names.dirty, properties().revisions_to_keep); });
  make_precache_later();
}

void ImageVolume::unless_lost(const Images& at, const std::function<void()>& body) {
  {
    std::lock_guard guard(mutex_);
    if (lost_session_ && lost_session_->same_inode(*at.files.dirty)) {
      throw SyncFailed(Code::io, 0, at.path(at.names.dirty));
    }
  }
  try {
    body();
  } catch (const SyncFailed&) {
    std::lock_guard guard(mutex_);
    lost_session_ = at.files.dirty;
    throw;
  }
}

// There is no session: another inode may get the number of the one that was lost.
void ImageVolume::forget_lost_session() {
  std::lock_guard guard(mutex_);
  lost_session_.reset();
}

void ImageVolume::discard(const Progress& progress) {
  auto operation = open_existing(progress);
  if (!operation) return;
  Images& at = operation->images();
  if (!config_.save_on_stop) {
    require_unsaved(at, "stop volume");
    if (is_snapshot() && clean_may_be_own(at)) return;
    const bool was_started = at.files.dirty.has_value();
    if (was_started || !at.files.precache_is_of_snapshot()) end_unsaved(at);
    if (was_started) make_precache_later();
    return;
  }
  if (at.files.dirty && properties().revisions_to_keep == kSnapshotsDisabled) {
    refuse(Code::not_supported, "discard session", vid(),
           "snapshots are disabled: the session is the committed state");
  }
  if (at.files.dirty && is_origin() && !at.files.clean) {
    refuse(Code::not_supported, "discard session", vid(),
           "there is no committed state: the session is all there is");
  }
  if (!at.files.dirty && is_origin()) require_clean(at, "discard session");
  storage::discard(at);
  forget_lost_session();
  make_precache_later();
}

void ImageVolume::revert(std::uint64_t number, const Progress& progress) {
  require_saved("revert volume");
  Operation operation(location_, MissingDirectory::refuse, &threads_, progress);
  Images& at = operation.images();
  if (at.files.dirty) {
    refuse(Code::dirty, "revert volume", vid(), "it has a session that was not committed");
  }
  const Revision* target = nullptr;
  if (number == 0) {
    target = newest_other_revision(at);
  } else {
    for (const Revision& revision : at.files.revisions) {
      if (revision.name.number == number) target = &revision;
    }
  }
  if (target == nullptr) {
    refuse(Code::not_found, "revert volume", vid(),
           number == 0 ? "it has no earlier revision"
                       : "it has no revision " + std::to_string(number));
  }
  storage::revert(at, *target);
  make_precache_later();
}

void ImageVolume::prune(int keep, const Progress& progress) {
  require_saved("prune revisions");
  if (keep < 0) refuse(Code::invalid, "prune revisions", vid(), "the number to keep is negative");
  Operation operation(location_, MissingDirectory::refuse, &threads_, progress);
  prune_and_settle(operation.images(), static_cast<std::size_t>(keep));
}

// The clone that the next start will need is made ahead; what was being made for it until now is of
// no use any more. The operation that asks has been done: nothing of this may make it fail.
void ImageVolume::make_precache_later() noexcept {
  try {
    threads_.precaches.drop(vid());
    if (!pool_->config.precache) return;
    auto& precaches = threads_.precaches;
    const std::string name = "precache of " + vid();
    const std::uint64_t request = precaches.request(vid());
    if (is_origin() && properties().revisions_to_keep >= 0) {
      threads_.worker.post(
          name, [at = location_, &precaches, request] { make_precache(at, precaches, request); });
    } else if (is_snapshot()) {
      threads_.worker.post(name, [at = location_, source = *source_, &precaches, request] {
        make_snapshot_precache(at, source, precaches, request);
      });
    }
  } catch (...) {
    // Out of memory: the next start is slower.
  }
}

}  // namespace qubes::storage
