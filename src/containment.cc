// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/containment.h"

#include <algorithm>
#include <filesystem>

#include "src/fs/device_mapper.h"
#include "src/fs/error.h"
#include "src/fs/mount_info.h"

namespace qubes::storage {
namespace {

namespace stdfs = std::filesystem;

bool is_directory_path(const std::string& candidate) {
  return candidate.front() == '/';
}

// With links resolved as far as the path exists, so that two spellings of one place are one.
stdfs::path canonical(const std::string& path) {
  std::error_code error;
  stdfs::path result = stdfs::weakly_canonical(path, error);
  if (error) result = stdfs::path(path).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

bool encloses(const stdfs::path& outer, const stdfs::path& inner) {
  auto [end, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end() && rest != inner.end();
}

void check(const std::string& candidate) {
  const auto slash = candidate.find('/');
  const bool thin_pool = slash != std::string::npos && slash + 1 < candidate.size() &&
                         candidate.find('/', slash + 1) == std::string::npos;
  if (candidate.empty() || (!is_directory_path(candidate) && !thin_pool)) {
    refuse(Code::invalid, "look for the containing pool", candidate,
           "it is neither an absolute path nor VG/POOL");
  }
}

}  // namespace

std::optional<std::size_t> find_container(const std::string& directory,
                                          const std::vector<std::string>& candidates) {
  const stdfs::path inner = canonical(directory);
  std::optional<std::size_t> best;
  std::ptrdiff_t best_depth = -1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    check(candidates[i]);
    if (!is_directory_path(candidates[i])) continue;
    const stdfs::path outer = canonical(candidates[i]);
    const std::ptrdiff_t depth = std::distance(outer.begin(), outer.end());
    if (encloses(outer, inner) && depth > best_depth) {
      best = i;
      best_depth = depth;
    }
  }
  if (best) return best;
  const auto thin_pool = thin_pool_under(mount_info(directory).device_number);
  if (!thin_pool) return std::nullopt;
  const std::string name = thin_pool->volume_group + "/" + thin_pool->pool;
  auto found = std::find(candidates.begin(), candidates.end(), name);
  if (found == candidates.end()) return std::nullopt;
  return static_cast<std::size_t>(found - candidates.begin());
}

}  // namespace qubes::storage
