// SPDX-License-Identifier: LGPL-2.1-or-later
// What carries a directory: the mount, and the block device under it.
#ifndef QUBES_STORAGE_SRC_FS_MOUNT_INFO_H
#define QUBES_STORAGE_SRC_FS_MOUNT_INFO_H

#include <cstdint>
#include <optional>
#include <string>

namespace qubes::storage {

struct MountInfo {
  std::string filesystem_type;
  std::string mount_point;
  std::string device;               // as it was mounted: a path, or a word such as "tmpfs"
  std::optional<std::string> uuid;  // unknown where we may not read the device
  std::optional<std::uint32_t> logical_sector_bytes;
  std::optional<std::uint32_t> physical_sector_bytes;
  std::uint64_t device_number = 0;  // of the block device (the first of several); 0 if none
};

// Throws not_found where there is no such path.
MountInfo mount_info(const std::string& path);

}  // namespace qubes::storage

#endif
