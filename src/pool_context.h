// SPDX-License-Identifier: LGPL-2.1-or-later
// What a pool's volumes share.
#ifndef QUBES_STORAGE_SRC_POOL_CONTEXT_H
#define QUBES_STORAGE_SRC_POOL_CONTEXT_H

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/fs/filesystem.h"
#include "src/log.h"

namespace qubes::storage {

enum class PoolKind { reflink, kernels };

struct PoolConfig {
  std::string dir_path;  // absolute
  std::string name;
  PoolKind kind = PoolKind::reflink;
  int revisions_to_keep = 1;
  bool setup_check = true;
  bool precache = true;
  Log log;
  std::vector<std::string> prefixes = {"appvms", "vm-templates"};
};

struct PoolContext {
  PoolConfig config;
  std::shared_ptr<Filesystem> fs;
};

// Throws offline where the directory of the pool is absent.
DirectoryPtr open_pool_directory(Filesystem& fs, const std::string& dir_path);

}  // namespace qubes::storage

#endif
