// SPDX-License-Identifier: LGPL-2.1-or-later
// A volume of image files: which protocol each verb runs, and what it refuses. The verbs that move
// data in and out are in image_transfer.cc.
#ifndef QUBES_STORAGE_SRC_IMAGE_VOLUME_H
#define QUBES_STORAGE_SRC_IMAGE_VOLUME_H

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/committed.h"
#include "src/operation.h"
#include "src/volume.h"

namespace qubes::storage {

class ImageVolume final : public Volume {
 public:
  // Throws invalid where the vid or the configuration contradicts itself or the pool.
  ImageVolume(std::shared_ptr<PoolContext> pool, PoolThreads& threads, std::string_view vid,
              const VolumeConfig& config);

  std::string vid() const override { return location_.vid.text(); }
  std::string path() const override { return location_.path(location_.names.dirty); }
  std::string import_path() const override { return location_.path(location_.names.import); }
  PoolKind pool_kind() const override { return PoolKind::reflink; }

  void create(const Progress& progress) override;
  void verify(const Progress& progress) override;
  void remove(const Progress& progress) override;
  void start(const Progress& progress) override;
  void stop(const Progress& progress) override;
  void discard(const Progress& progress) override;
  void revert(std::uint64_t number, const Progress& progress) override;
  void resize(std::uint64_t size_bytes, bool allow_shrink, const Progress& progress) override;
  void prune(int keep, const Progress& progress) override;

  void import_begin(std::uint64_t size_bytes, const Progress& progress) override;
  void import_end(bool success, const Progress& progress) override;
  void import_volume(Volume& source, const Progress& progress) override;
  void import_file(FilePtr source, std::optional<std::uint64_t> size_bytes,
                   const Progress& progress) override;
  FilePtr open_committed() override;

  VolumeInfo info() override;
  std::vector<RevisionInfo> revisions() override;
  void set_rw(bool rw) override;
  void set_revisions_to_keep(int revisions_to_keep) override;

 private:
  struct Properties {
    std::uint64_t nominal_size_bytes;
    bool rw;
    int revisions_to_keep;
  };

  struct HeldImport {
    FilePtr file;  // holds the lock
    bool copying;  // by a verb that will end it itself
    bool lost;     // its sync failed
  };

  bool is_snapshot() const { return config_.snap_on_start && !config_.save_on_stop; }
  bool is_origin() const { return !config_.snap_on_start && config_.save_on_stop; }
  void check_revisions_to_keep(int revisions_to_keep) const;
  void require_saved(const char* step) const;
  void require_clean(const Images& at, const char* step) const;
  void require_no_import(const Images& at, const char* step) const;
  void require_unsaved(const Images& at, const char* step) const;
  bool clean_may_be_own(Images& at) const;
  Properties properties() const;

  std::unique_ptr<Operation> open_if_there(const Progress& progress);
  std::unique_ptr<Operation> open_existing(const Progress& progress);
  void start_origin(const Progress& progress);
  void start_origin_snapshot(const Progress& progress);
  void start_unsaved(const Progress& progress);
  bool try_start_snapshot(const Progress& progress);
  void start_in_place_alone(Images& at);
  // Runs `body`, which syncs D. A sync of D that failed is not repeated: this handle refuses then.
  void unless_lost(const Images& at, const std::function<void()>& body);
  void forget_lost_session();
  void resize_session(Images& at, std::uint64_t size_bytes);
  void resize_nominal(std::uint64_t size_bytes, bool allow_shrink);
  void resize_image(Images& at, std::uint64_t size_bytes, bool allow_shrink);
  void check_shrink(std::uint64_t size_bytes, std::uint64_t present, bool allow_shrink) const;
  void remember_size(std::uint64_t size_bytes);
  void make_precache_later() noexcept;
  // What a look without the lock finds: the session, the committed state.
  struct Look {
    std::optional<FileStatus> clean;
    std::optional<FileStatus> dirty;
  };
  Look look(const Location& at) const;

  void require_no_copy() const;
  void begin_held_import(std::uint64_t size_bytes, bool copying, const Progress& progress);
  void import_copy(const Progress& progress,
                   const std::function<void(File&, const Progress&)>& fill);
  void end_held_import(bool success, bool copying, const Progress& progress);

  const std::shared_ptr<PoolContext> pool_;
  PoolThreads& threads_;  // of the pool, which outlives its use
  const VolumeConfig config_;
  const Location location_;
  const std::optional<Location> source_;

  mutable std::mutex mutex_;  // of what follows; never held while the disk is touched
  Properties properties_;
  std::optional<HeldImport> import_;
  std::optional<FileStatus> lost_session_;  // its sync failed
};

}  // namespace qubes::storage

#endif
