// SPDX-License-Identifier: LGPL-2.1-or-later
// Walks the `slaves` directories of sysfs. No device mapper ioctl, no LVM, no privilege.
#include "src/fs/device_mapper.h"

#include <dirent.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "src/fs/descriptor.h"

namespace qubes::storage {
namespace {

// Filesystem on crypt on thin volume on RAID on crypt on a partition are five.
constexpr int kDepthMax = 16;
constexpr std::string_view kSuffix = "-tpool";

// The first line; empty if it cannot be read.
std::string read_line(const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY);
  if (!fd) return {};
  char buffer[256];  // a device-mapper name has up to 127 bytes
  const ssize_t length = retry([&] { return ::read(fd.get(), buffer, sizeof buffer); });
  if (length <= 0) return {};
  const std::string_view text(buffer, static_cast<std::size_t>(length));
  return std::string(text.substr(0, text.find('\n')));
}

// In order of name, so that the answer does not depend on chance.
std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return names;
  while (const dirent* const entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// LVM names a pool's device VG-POOL-tpool, where each "-" within VG and POOL is doubled.
std::optional<ThinPool> parse_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_dash = name[i] == '-';
    const bool is_doubled = is_dash && i + 1 < name.size() && name[i + 1] == '-';
    if (is_dash && !is_doubled) {
      parts.emplace_back();
      continue;
    }
    parts.back() += name[i];
    if (is_doubled) ++i;
  }
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return std::nullopt;
  return ThinPool{parts[0], parts[1]};
}

std::optional<ThinPool> search(const std::string& device, int depth) {
  if (depth == kDepthMax) return std::nullopt;
  if (auto pool = parse_name(read_line(device + "/dm/name"))) return pool;
  // A partition has no slaves of its own; the disk that it is on has.
  const bool is_partition = ::access((device + "/partition").c_str(), F_OK) == 0;
  const std::string slaves = device + (is_partition ? "/../slaves/" : "/slaves/");
  for (const std::string& name : entries(slaves)) {
    if (auto pool = search(slaves + name, depth + 1)) return pool;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ThinPool> thin_pool_under(std::uint64_t device_number, const std::string& sysfs) {
  if (device_number == 0) return std::nullopt;
  return search(sysfs + "/dev/block/" + std::to_string(major(device_number)) + ':' +
                    std::to_string(minor(device_number)),
                0);
}

}  // namespace qubes::storage
