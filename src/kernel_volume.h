// SPDX-License-Identifier: LGPL-2.1-or-later
// A volume of a kernels pool: DIR/KERNEL/modules.img, which nobody here ever writes.
#ifndef QUBES_STORAGE_SRC_KERNEL_VOLUME_H
#define QUBES_STORAGE_SRC_KERNEL_VOLUME_H

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/volume.h"

namespace qubes::storage {

class KernelVolume final : public Volume {
 public:
  KernelVolume(std::shared_ptr<PoolContext> pool, std::string_view kernel,
               const VolumeConfig& config);

  std::string vid() const override { return kernel_; }
  std::string path() const override;
  std::string import_path() const override { return path(); }
  PoolKind pool_kind() const override { return PoolKind::kernels; }

  void create(const Progress&) override { refuse_change("create volume"); }
  void verify(const Progress&) override;
  void remove(const Progress&) override { refuse_change("remove volume"); }
  void start(const Progress&) override {}
  void stop(const Progress&) override {}
  void discard(const Progress&) override {}
  void revert(std::uint64_t, const Progress&) override { refuse_change("revert volume"); }
  void resize(std::uint64_t, bool, const Progress&) override { refuse_change("resize volume"); }
  void prune(int, const Progress&) override { refuse_change("prune revisions"); }

  void import_begin(std::uint64_t, const Progress&) override { refuse_change("import volume"); }
  void import_end(bool, const Progress&) override { refuse_change("end import"); }
  void import_volume(Volume& source, const Progress& progress) override;
  void import_file(FilePtr, std::optional<std::uint64_t>, const Progress&) override {
    refuse_change("import volume");
  }
  FilePtr open_committed() override;

  VolumeInfo info() override;
  std::vector<RevisionInfo> revisions() override { return {}; }
  void set_rw(bool) override { refuse_change("set rw"); }
  void set_revisions_to_keep(int) override { refuse_change("set revisions_to_keep"); }

 private:
  [[noreturn]] void refuse_change(const char* step) const;

  const std::shared_ptr<PoolContext> pool_;
  const std::string kernel_;
};

// The kernels that have a modules.img, sorted. Throws offline.
std::vector<std::string> list_kernels(const PoolContext& pool);

}  // namespace qubes::storage

#endif
