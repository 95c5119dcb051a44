// SPDX-License-Identifier: LGPL-2.1-or-later
// What a pool's volumes share. It lives as long as the last of them.
#ifndef QUBES_STORAGE_SRC_POOL_CONTEXT_H
#define QUBES_STORAGE_SRC_POOL_CONTEXT_H

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/fs/filesystem.h"
#include "src/worker.h"

namespace qubes::storage {

enum class PoolKind { reflink, kernels };

struct PoolConfig {
  std::string dir_path;  // absolute
  std::string name;
  PoolKind kind = PoolKind::reflink;
  int revisions_to_keep = 1;
  bool setup_check = true;
  bool precache = true;
  std::vector<std::string> prefixes = {"appvms", "vm-templates"};
};

struct PoolContext {
  PoolContext(PoolConfig config_in, std::shared_ptr<Filesystem> fs_in, Worker::Mode mode)
      : config(std::move(config_in)), fs(std::move(fs_in)), worker(mode) {}

  const PoolConfig config;
  const std::shared_ptr<Filesystem> fs;
  Worker worker;  // last, so that it is gone before what its tasks use
};

// Throws offline where the directory of the pool is absent.
DirectoryPtr open_pool_directory(Filesystem& fs, const std::string& dir_path);

}  // namespace qubes::storage

#endif
