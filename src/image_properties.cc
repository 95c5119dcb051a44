// SPDX-License-Identifier: LGPL-2.1-or-later
// Sizes and properties of image volumes: what is read from the files, and resize.
#include <algorithm>
#include <utility>

#include "src/fs/error.h"
#include "src/image_volume.h"
#include "src/protocols.h"

namespace qubes::storage {
namespace {

// A name can hold years that the unit cannot: the nearest time stands for them.
std::int64_t nanoseconds(std::int64_t seconds) {
  constexpr std::int64_t kPerSecond = 1'000'000'000;
  constexpr std::int64_t kMax = INT64_MAX / kPerSecond;
  return std::clamp(seconds, -kMax, kMax) * kPerSecond;
}

// Null where the pool or the VM is absent.
DirectoryPtr vm_if_there(const Location& location) {
  try {
    return location.open_vm(*location.open_prefix());
  } catch (const Error& error) {
    if (error.code() == Code::offline) return nullptr;
    throw;
  }
}

}  // namespace

ImageVolume::Look ImageVolume::look(const Location& at) const {
  DirectoryPtr directory = vm_if_there(at);
  if (!directory) return {};
  // What is no regular file is not ours; the verbs refuse it.
  auto image = [&](const std::string& name) {
    auto status = at.fs->status(*directory, name);
    return status && status->is_regular ? status : std::nullopt;
  };
  Look found;
  // A start in place renames C to D: who looked at D before it and at C after it finds neither.
  for (int turn = 0; turn < 2 && !found.dirty && !found.clean; ++turn) {
    found.dirty = image(at.names.dirty);
    found.clean = image(at.names.clean);
  }
  return found;
}

VolumeInfo ImageVolume::info() {
  Properties now = properties();
  VolumeInfo info;
  info.vid = vid();
  info.path = path();
  info.nominal_size_bytes = now.nominal_size_bytes;
  info.rw = now.rw;
  info.save_on_stop = config_.save_on_stop;
  info.snap_on_start = config_.snap_on_start;
  info.revisions_to_keep = now.revisions_to_keep;
  info.ephemeral = config_.ephemeral;
  info.source = config_.source;

  Look own = look(location_);
  if (is_snapshot() && !own.dirty) own.clean.reset();  // kept for its precache only
  info.size_bytes = now.nominal_size_bytes;
  info.is_started = own.dirty.has_value();
  info.is_dirty = info.is_started && config_.save_on_stop;
  if (const auto& image = own.dirty ? own.dirty : own.clean) {
    info.size_bytes = image->size_bytes;
    info.usage_bytes = image->allocated_bytes;
  }
  if (source_) {
    Look source = look(*source_);
    if (source.clean && !own.dirty && !own.clean) {
      info.size_bytes = std::max(now.nominal_size_bytes, source.clean->size_bytes);
    }
    info.is_outdated = is_snapshot() && own.dirty && own.clean && source.clean &&
                       !own.clean->same_inode(*source.clean);
  }
  return info;
}

std::vector<RevisionInfo> ImageVolume::revisions() {
  DirectoryPtr directory = vm_if_there(location_);
  if (!directory) return {};
  VolumeFiles files = scan(*location_.fs, *directory, location_.names);
  std::vector<RevisionInfo> result;
  result.reserve(files.revisions.size());
  for (const Revision& revision : files.revisions) {
    if (files.is_clean(revision)) continue;  // a commit is under way, or was cut off
    result.push_back({revision.name.number, nanoseconds(revision.name.created_seconds),
                      revision.status.size_bytes});
  }
  return result;
}

void ImageVolume::set_rw(bool rw) {
  if (!rw && config_.ephemeral) {
    refuse(Code::invalid, "set rw", vid(), "an ephemeral volume is rw");
  }
  std::lock_guard guard(mutex_);
  properties_.rw = rw;
}

void ImageVolume::set_revisions_to_keep(int revisions_to_keep) {
  check_revisions_to_keep(revisions_to_keep);
  std::unique_ptr<Operation> operation;  // so that no session begins meanwhile
  const bool disabled = properties().revisions_to_keep == kSnapshotsDisabled;
  if (disabled != (revisions_to_keep == kSnapshotsDisabled)) {
    operation = open_if_there(nullptr);
    if (operation && operation->images().files.dirty) {
      refuse(Code::dirty, "set revisions_to_keep", vid(),
             "snapshots cannot be turned on or off while there is a session");
    }
  }
  std::lock_guard guard(mutex_);
  properties_.revisions_to_keep = revisions_to_keep;
}

// ---- Resize ----

void ImageVolume::check_shrink(std::uint64_t size_bytes, std::uint64_t present,
                               bool allow_shrink) const {
  if (size_bytes < present && !allow_shrink) {
    refuse(Code::invalid, "resize volume", vid(),
           "it would get smaller and lose its end, which was not asked for");
  }
}

void ImageVolume::remember_size(std::uint64_t size_bytes) {
  std::lock_guard guard(mutex_);
  properties_.nominal_size_bytes = size_bytes;
}

void ImageVolume::resize(std::uint64_t size_bytes, bool allow_shrink, const Progress& progress) {
  if (!properties().rw) refuse(Code::read_only, "resize volume", vid(), "the volume is read-only");
  if (size_bytes > kSizeMax) refuse(Code::invalid, "resize volume", vid(), "too large");
  auto operation = open_existing(progress);
  // A snapshot that is not started has a C for its precache only.
  const auto has_image = [&](const VolumeFiles& files) {
    return files.dirty || (files.clean && !is_snapshot());
  };
  if (is_origin() || (operation && has_image(operation->images().files))) {
    return resize_image(operation->images(), size_bytes, allow_shrink);
  }
  resize_nominal(size_bytes, allow_shrink);
  // Without a directory there was no lock: a start may have come that knew the old size only.
  if (!operation && look(location_).dirty) resize(size_bytes, allow_shrink, progress);
}

void ImageVolume::resize_nominal(std::uint64_t size_bytes, bool allow_shrink) {
  check_shrink(size_bytes, info().size_bytes.value_or(0), allow_shrink);
  if (source_) {
    Look source = look(*source_);
    if (source.clean && size_bytes < source.clean->size_bytes) {
      refuse(Code::invalid, "resize volume", vid(), "it would be smaller than its source");
    }
  }
  remember_size(size_bytes);
}

void ImageVolume::resize_image(Images& at, std::uint64_t size_bytes, bool allow_shrink) {
  if (at.files.dirty) {
    check_shrink(size_bytes, at.files.dirty->size_bytes, allow_shrink);
    resize_session(at, size_bytes);
  } else {
    require_clean(at, "resize volume");
    check_shrink(size_bytes, at.files.clean->size_bytes, allow_shrink);
    require_no_import(at, "resize volume");  // a shrink goes by way of that file
    if (config_.save_on_stop && size_bytes != at.files.clean->size_bytes) {
      resize_clean(at, size_bytes, properties().revisions_to_keep);
      make_precache_later();
    } else if (config_.save_on_stop) {
      at.changes.settle();  // What gave it that size may have died before it could say so.
    }
  }
  remember_size(size_bytes);
}

void ImageVolume::resize_session(Images& at, std::uint64_t size_bytes) {
  FilePtr file = at.open(at.names.dirty, Access::read_write);
  auto set_size = [&] {
    if (at.files.dirty->size_bytes != size_bytes) at.fs.set_size(*file, size_bytes);
  };
  if (config_.save_on_stop) {
    // The sync comes also where it has that size: one that failed or died may have given it. And
    // what the sync says of the session's content is said only once.
    unless_lost(at, [&] {
      set_size();
      sync_content(at, at.names.dirty);
    });
    at.changes.settle();  // The name, too, may be as young as the process that died after a start.
  } else {
    set_size();  // A crash throws it away anyway.
  }
  at.fs.refresh_loops(*file);  // also after one that failed here last time
}

}  // namespace qubes::storage
