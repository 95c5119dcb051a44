// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/kernel_volume.h"

#include <algorithm>
#include <utility>

#include "src/fs/error.h"
#include "src/names.h"

namespace qubes::storage {
namespace {

constexpr const char* kModules = "modules.img";

// None where the kernel has no such file.
std::optional<FileStatus> modules_status(const PoolContext& pool, const std::string& kernel) {
  DirectoryPtr root = open_pool_directory(*pool.fs, pool.config.dir_path);
  auto entry = pool.fs->status(*root, kernel);
  if (!entry || !entry->is_directory) return std::nullopt;
  auto status = pool.fs->status(*pool.fs->open_directory(*root, kernel), kModules);
  if (status && !status->is_regular) return std::nullopt;
  return status;
}

}  // namespace

KernelVolume::KernelVolume(std::shared_ptr<PoolContext> pool, std::string_view kernel,
                           const VolumeConfig& config)
    : pool_(std::move(pool)), kernel_(kernel) {
  check_component(kernel, "the kernel");
  if (config.rw || config.save_on_stop || config.snap_on_start || !config.source.empty() ||
      config.ephemeral || config.revisions_to_keep.value_or(0) != 0) {
    refuse(Code::read_only, "check volume", kernel_, "volumes of a kernels pool are read-only");
  }
}

std::string KernelVolume::path() const {
  return pool_->config.dir_path + "/" + kernel_ + "/" + kModules;
}

void KernelVolume::refuse_change(const char* step) const {
  refuse(Code::read_only, step, kernel_, "volumes of a kernels pool are read-only");
}

void KernelVolume::verify(const Progress&) {
  if (!modules_status(*pool_, kernel_)) {
    refuse(Code::not_found, "verify volume", path(), "there is no such file");
  }
}

void KernelVolume::import_volume(Volume& source, const Progress&) {
  if (source.pool_kind() != PoolKind::kernels) refuse_change("import volume");
}

FilePtr KernelVolume::open_committed() {
  verify({});
  DirectoryPtr root = open_pool_directory(*pool_->fs, pool_->config.dir_path);
  return pool_->fs->open_file(*pool_->fs->open_directory(*root, kernel_), kModules, Access::read);
}

VolumeInfo KernelVolume::info() {
  VolumeInfo info;
  info.vid = kernel_;
  info.path = path();
  try {
    if (auto status = modules_status(*pool_, kernel_)) {
      info.size_bytes = status->size_bytes;
      info.usage_bytes = status->allocated_bytes;
    }
  } catch (const Error& error) {
    if (error.code() != Code::offline) throw;
  }
  return info;
}

std::vector<std::string> list_kernels(const PoolContext& pool) {
  std::vector<std::string> kernels;
  DirectoryPtr root = open_pool_directory(*pool.fs, pool.config.dir_path);
  for (const std::string& name : pool.fs->list(*root)) {
    if (modules_status(pool, name)) kernels.push_back(name);
  }
  std::sort(kernels.begin(), kernels.end());
  return kernels;
}

}  // namespace qubes::storage
