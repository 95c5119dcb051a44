// SPDX-License-Identifier: LGPL-2.1-or-later
// A volume as the C API sees it. Two kinds: images (image_volume.h) and kernels (kernel_volume.h).
#ifndef QUBES_STORAGE_SRC_VOLUME_H
#define QUBES_STORAGE_SRC_VOLUME_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/fs/filesystem.h"
#include "src/pool_context.h"

namespace qubes::storage {

inline constexpr std::uint64_t kSizeMax = INT64_MAX;

struct VolumeConfig {
  std::uint64_t size_bytes = 0;
  bool rw = false;
  bool save_on_stop = false;
  bool snap_on_start = false;
  std::string source;                    // a vid, "" for none
  std::optional<int> revisions_to_keep;  // of the pool if not set
  bool ephemeral = false;
};

struct VolumeInfo {
  std::string vid;
  std::string path;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::uint64_t> usage_bytes;
  std::uint64_t nominal_size_bytes = 0;
  bool rw = false;
  bool save_on_stop = false;
  bool snap_on_start = false;
  int revisions_to_keep = 0;
  bool ephemeral = false;
  std::string source;
  bool is_started = false;
  bool is_dirty = false;
  bool is_outdated = false;
};

struct RevisionInfo {
  std::uint64_t number = 0;
  std::int64_t created_ns = 0;
  std::uint64_t size_bytes = 0;
};

// The documentation of each is that of the public header. `progress` is told of long steps, and
// asked between steps whether to go on: it ends the verb by throwing.
class Volume {
 public:
  virtual ~Volume() = default;

  virtual std::string vid() const = 0;
  virtual std::string path() const = 0;
  virtual std::string import_path() const = 0;
  virtual PoolKind pool_kind() const = 0;

  virtual void create(const Progress& progress = {}) = 0;
  virtual void verify(const Progress& progress = {}) = 0;
  virtual void remove(const Progress& progress = {}) = 0;
  virtual void start(const Progress& progress = {}) = 0;
  virtual void stop(const Progress& progress = {}) = 0;
  virtual void discard(const Progress& progress = {}) = 0;
  virtual void revert(std::uint64_t number, const Progress& progress = {}) = 0;
  virtual void resize(std::uint64_t size_bytes, bool allow_shrink,
                      const Progress& progress = {}) = 0;
  virtual void prune(int keep, const Progress& progress = {}) = 0;

  virtual void import_begin(std::uint64_t size_bytes, const Progress& progress = {}) = 0;
  virtual void import_end(bool success, const Progress& progress = {}) = 0;
  virtual void import_volume(Volume& source, const Progress& progress) = 0;
  virtual void import_file(FilePtr source, std::optional<std::uint64_t> size_bytes,
                           const Progress& progress) = 0;
  // The committed state, pinned, for reading. Works also after the pool has been closed.
  virtual FilePtr open_committed() = 0;

  virtual VolumeInfo info() = 0;
  virtual std::vector<RevisionInfo> revisions() = 0;
  virtual void set_rw(bool rw) = 0;
  virtual void set_revisions_to_keep(int revisions_to_keep) = 0;
};

}  // namespace qubes::storage

#endif
