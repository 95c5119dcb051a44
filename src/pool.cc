// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/pool.h"

#include <algorithm>
#include <set>
#include <utility>

#include "src/containment.h"
#include "src/fs/error.h"
#include "src/fs/mount_info.h"
#include "src/image_volume.h"
#include "src/kernel_volume.h"
#include "src/protocols.h"

namespace qubes::storage {
namespace {

// Null where it has been removed since it was listed, or is no directory of ours.
DirectoryPtr open_listed(Filesystem& fs, const Directory& parent, const std::string& name) {
  try {
    return fs.open_directory(parent, name);
  } catch (const Error& error) {
    if (error.code() == Code::not_found || error.code() == Code::corrupt) return nullptr;
    throw;
  }
}

// The names of the volumes in a VM's directory; with `leftovers` also of those of which only a
// crash's leftovers are there.
std::set<std::string> volumes_in(Filesystem& fs, const Directory& vm, bool leftovers) {
  std::set<std::string> result;
  for (const std::string& name : fs.list(vm)) {
    auto parsed = parse_file_name(name);
    if (!parsed) continue;
    using Role = FileName::Role;
    const bool counts = leftovers || parsed->role == Role::clean || parsed->role == Role::dirty ||
                        parsed->role == Role::revision;
    if (counts) result.insert(parsed->volume);
  }
  return result;
}

void look_at_mount(PoolInfo& info) {
  try {
    MountInfo mount = mount_info(info.config.dir_path);
    info.filesystem_type = mount.filesystem_type;
    info.mount_point = mount.mount_point;
    info.device = mount.device;
    info.device_uuid = mount.uuid.value_or("");
    info.logical_sector_bytes = mount.logical_sector_bytes.value_or(0);
    info.physical_sector_bytes = mount.physical_sector_bytes.value_or(0);
  } catch (const Error&) {
    // Not told, as in a chroot without /proc: unknown.
  }
}

}  // namespace

Pool::Pool(PoolConfig config, std::shared_ptr<Filesystem> fs, Worker::Mode mode)
    : context_(std::make_shared<PoolContext>(PoolContext{std::move(config), std::move(fs)})),
      threads_(mode, context_->config.log) {
  if (context_->config.revisions_to_keep < kSnapshotsDisabled) {
    refuse(Code::invalid, "open pool", context_->config.dir_path,
           "revisions_to_keep is less than -1");
  }
}

void Pool::setup() {
  const PoolConfig& config = context_->config;
  Filesystem& fs = *context_->fs;
  if (config.kind == PoolKind::kernels) {
    refuse(Code::not_supported, "set up pool", config.dir_path, "a kernels pool is read-only");
  }
  const auto slash = config.dir_path.find_last_of('/');
  const std::string name = config.dir_path.substr(slash + 1);
  if (name.empty()) {
    refuse(Code::invalid, "set up pool", config.dir_path, "the root directory cannot be a pool");
  }
  DirectoryPtr parent =
      open_pool_directory(fs, slash == 0 ? "/" : config.dir_path.substr(0, slash));
  const bool made_root = fs.make_directory(*parent, name);
  std::vector<std::string> made;
  try {
    // One that was there may be a symbolic link, as it may be for every other verb.
    DirectoryPtr root =
        made_root ? fs.open_directory(*parent, name) : open_pool_directory(fs, config.dir_path);
    for (const std::string& prefix : config.prefixes) {
      if (fs.make_directory(*root, prefix)) made.push_back(prefix);
    }
    for (const std::string& prefix : config.prefixes) {
      DirectoryPtr directory = fs.open_directory(*root, prefix);
      if (config.setup_check && !fs.reflink_works(*directory, *directory)) {
        refuse(Code::not_supported, "set up pool", config.dir_path,
               "its filesystem cannot reflink, so each start would copy the whole image");
      }
    }
    fs.sync(*root);
    fs.sync(*parent);
  } catch (...) {
    try {
      DirectoryPtr root = fs.open_directory(config.dir_path);
      for (const std::string& prefix : made) fs.remove_directory(*root, prefix);
      if (made_root) fs.remove_directory(*parent, name);
    } catch (const Error&) {
      // Empty directories are harmless.
    }
    throw;
  }
}

PoolInfo Pool::info() {
  PoolInfo info;
  info.config = context_->config;
  info.background = threads_.worker.load();
  Filesystem& fs = *context_->fs;
  DirectoryPtr root;
  try {
    root = open_pool_directory(fs, info.config.dir_path);
  } catch (const Error& error) {
    if (error.code() == Code::offline) return info;
    throw;
  }
  info.is_online = true;
  Space space = fs.space(*root);
  info.size_bytes = space.total_bytes;
  info.usage_bytes = space.used_bytes;
  look_at_mount(info);
  if (info.config.kind == PoolKind::kernels) return info;  // nothing is ever written there
  try {
    info.reflink_works = fs.reflink_works(*root, *root);
  } catch (const Error&) {
    // Full or read-only: it cannot be tried.
  }
  return info;
}

std::vector<std::string> Pool::walk(std::vector<Finding>* unreadable) {
  Filesystem& fs = *context_->fs;
  DirectoryPtr root = open_pool_directory(fs, context_->config.dir_path);
  std::vector<std::string> result;
  for (const std::string& prefix : context_->config.prefixes) {
    DirectoryPtr vms = open_listed(fs, *root, prefix);
    if (!vms) continue;
    for (const std::string& vm : fs.list(*vms)) {
      if (has_control_character(vm)) continue;  // no vid can name it
      try {
        DirectoryPtr directory = open_listed(fs, *vms, vm);
        if (!directory) continue;
        for (const std::string& name : volumes_in(fs, *directory, unreadable != nullptr)) {
          result.push_back(Vid{prefix, vm, name}.text());
        }
      } catch (const Error& error) {
        if (unreadable == nullptr) throw;
        std::string where = prefix;
        where.append("/").append(vm);
        unreadable->push_back({where, error.what(), "could not be recovered"});
      }
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<std::string> Pool::list() {
  return context_->config.kind == PoolKind::kernels ? list_kernels(*context_) : walk(nullptr);
}

std::vector<Finding> Pool::recover(const Progress& progress) {
  std::vector<Finding> report;
  if (context_->config.kind == PoolKind::kernels) {
    open_pool_directory(*context_->fs, context_->config.dir_path);  // offline?
    return report;
  }
  for (const std::string& vid : walk(&report)) {
    if (progress) progress(0, std::nullopt);
    recover_volume(vid, report);
  }
  return report;
}

void Pool::recover_volume(const std::string& vid, std::vector<Finding>& report) {
  std::vector<Finding> found;
  try {
    Location location(context_->fs, context_->config.dir_path,
                      parse_vid(vid, context_->config.prefixes));
    Operation operation(location, MissingDirectory::refuse, &threads_, nullptr, &found);
    Images& at = operation.images();
    if (at.files.dirty) {
      found.push_back({"", "session " + at.names.dirty, "left: start, stop or discard it"});
    }
    if (at.files.import) {
      found.push_back({"", "import under way " + at.names.import, "left to who holds it"});
    }
    if (at.files.precache && !at.files.any()) {
      found.push_back({"", "precache without a volume " + at.names.precache,
                       "left: remove the volume, or rename it to " + at.names.clean});
    }
  } catch (const Error& error) {
    // Somebody may have removed it since it was listed.
    if (error.code() != Code::not_found) {
      found.push_back({"", error.what(), "could not be recovered"});
    }
  }
  for (Finding& finding : found) {
    finding.vid = vid;
    report.push_back(std::move(finding));
  }
}

std::optional<std::size_t> Pool::included_in(const std::vector<std::string>& candidates) {
  open_pool_directory(*context_->fs, context_->config.dir_path);  // offline?
  return find_container(context_->config.dir_path, candidates);
}

std::shared_ptr<Volume> Pool::volume(std::string_view vid, const VolumeConfig& config) {
  if (context_->config.kind == PoolKind::kernels) {
    return std::make_shared<KernelVolume>(context_, vid, config);
  }
  return std::make_shared<ImageVolume>(context_, threads_, vid, config);
}

}  // namespace qubes::storage
