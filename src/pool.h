// SPDX-License-Identifier: LGPL-2.1-or-later
// A pool: a directory of volumes.
#ifndef QUBES_STORAGE_SRC_POOL_H
#define QUBES_STORAGE_SRC_POOL_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/pool_context.h"
#include "src/pool_threads.h"
#include "src/recovery.h"
#include "src/volume.h"

namespace qubes::storage {

struct PoolInfo {
  PoolConfig config;
  bool is_online = false;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::uint64_t> usage_bytes;
  std::string filesystem_type;
  std::string mount_point;
  std::string device;
  std::string device_uuid;
  std::uint32_t logical_sector_bytes = 0;
  std::uint32_t physical_sector_bytes = 0;
  bool reflink_works = false;
  Worker::Load background;
};

// The documentation of each method is that of the public header.
class Pool {
 public:
  // Throws invalid where the configuration contradicts itself.
  Pool(PoolConfig config, std::shared_ptr<Filesystem> fs, Worker::Mode mode);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void setup();
  PoolInfo info();
  std::vector<std::string> list();
  std::vector<Finding> recover(const Progress& progress = {});
  void drain() { threads_.worker.drain(); }
  std::optional<std::size_t> included_in(const std::vector<std::string>& candidates);
  // The pool must live as long as the volume is used.
  std::shared_ptr<Volume> volume(std::string_view vid, const VolumeConfig& config);
  JobThreads& job_threads() { return threads_.jobs; }

 private:
  // All vids, sorted. For a recovery also those of which there is only what a crash leaves, and
  // `unreadable` is told of the directories that cannot be looked at; else one is an error.
  std::vector<std::string> walk(std::vector<Finding>* unreadable);
  void recover_volume(const std::string& vid, std::vector<Finding>& report);

  const std::shared_ptr<PoolContext> context_;
  PoolThreads threads_;  // last: what runs on them uses the rest
};

}  // namespace qubes::storage

#endif
