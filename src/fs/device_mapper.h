// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds the LVM thin pool under a block device, so that its space is not counted twice.
#ifndef QUBES_STORAGE_SRC_FS_DEVICE_MAPPER_H
#define QUBES_STORAGE_SRC_FS_DEVICE_MAPPER_H

#include <cstdint>
#include <optional>
#include <string>

namespace qubes::storage {

struct ThinPool {
  std::string volume_group;
  std::string pool;
};

// The first on the way down from this device; none if there is none or it cannot be found out.
// `sysfs` is another directory only in tests.
std::optional<ThinPool> thin_pool_under(std::uint64_t device_number,
                                        const std::string& sysfs = "/sys");

}  // namespace qubes::storage

#endif
