// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/volume_files.h"

#include <algorithm>
#include <tuple>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

std::optional<FileStatus> image_status(Filesystem& fs, const Directory& directory,
                                       const std::string& name) {
  auto status = fs.status(directory, name);
  if (status && !status->is_regular) {
    refuse(Code::corrupt, "look at image", directory.path() + "/" + name,
           "it is not a regular file");
  }
  return status;
}

}  // namespace

bool VolumeFiles::precache_is_valid() const {
  return precache_has_mtime_of_clean_and(0);
}

bool VolumeFiles::precache_is_of_snapshot() const {
  return precache_has_mtime_of_clean_and(kSnapshotMarkNs);
}

bool VolumeFiles::precache_has_mtime_of_clean_and(std::int64_t more_ns) const {
  return clean && precache && precache->size_bytes == clean->size_bytes &&
         precache->mtime_ns == clean->mtime_ns + more_ns && precache->link_count == 1;
}

std::uint64_t VolumeFiles::next_revision_number() const {
  const std::uint64_t next = highest_number + 1;
  // A number that we could not read back would make the state that it keeps invisible.
  if (!parse_file_name(revision_file_name("v", {next, 0}))) {
    refuse(Code::corrupt, "number revision", std::to_string(highest_number),
           "no higher number is possible");
  }
  return next;
}

VolumeFiles scan(Filesystem& fs, const Directory& directory, const ImageNames& names) {
  VolumeFiles files;
  for (const std::string& name : fs.list(directory)) {
    auto parsed = parse_file_name(name);
    if (!parsed || parsed->volume != names.volume) continue;
    if (parsed->role == FileName::Role::revision) {
      files.highest_number = std::max(files.highest_number, parsed->revision.number);
      auto status = fs.status(directory, name);
      if (status && status->is_regular) {
        files.revisions.push_back({parsed->revision, name, *status});
      }
    } else if (parsed->role == FileName::Role::temporary) {
      auto status = fs.status(directory, name);
      if (status && status->is_regular) files.temporaries.push_back(name);
    }
  }
  std::sort(files.revisions.begin(), files.revisions.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name.number, a.file_name) < std::tie(b.name.number, b.file_name);
  });
  files.dirty = image_status(fs, directory, names.dirty);
  files.clean = image_status(fs, directory, names.clean);
  files.precache = image_status(fs, directory, names.precache);
  files.import = image_status(fs, directory, names.import);
  return files;
}

}  // namespace qubes::storage
