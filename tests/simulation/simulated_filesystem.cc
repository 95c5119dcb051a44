// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/simulated_filesystem.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "src/fs/error.h"
#include "tests/simulation/simulated_handles.h"

namespace qubes::storage::simulation {
namespace {

InodeNumber inode_of(const Directory& directory) {
  return static_cast<const SimulatedDirectory&>(directory).inode;
}
SimulatedFile& simulated(File& file) {
  return static_cast<SimulatedFile&>(file);
}
InodeNumber inode_of(const File& file) {
  return static_cast<const SimulatedFile&>(file).inode;
}

std::uint64_t next_device() {
  static std::uint64_t last = 1000;
  return ++last;
}

std::uint8_t blocks_of(std::uint64_t size_bytes) {
  if (size_bytes % kBlockBytes != 0 || size_bytes > kBlocksMax * kBlockBytes) {
    throw std::invalid_argument("the simulation has no files of that size");
  }
  return static_cast<std::uint8_t>(size_bytes / kBlockBytes);
}

}  // namespace

SimulatedFilesystem::SimulatedFilesystem(Disk disk, const CrashModel& model)
    : disk_(std::move(disk)), model_(model), device_(next_device()) {}

void SimulatedFilesystem::check_alive() const {
  if (dead_) throw_errno(EIO, "use", "a filesystem that is gone");
}

void SimulatedFilesystem::perform(const Step& step, const std::function<void()>& act) {
  if (observer_ != nullptr) {
    observer_->perform(step, act);
  } else {
    act();
  }
}

FileStatus SimulatedFilesystem::status_of(InodeNumber number) const {
  const Inode& inode = disk_.inodes[number];
  FileStatus status;
  status.device = device_;
  status.inode = number;
  status.is_directory = inode.is_directory;
  status.is_regular = !inode.is_directory;
  if (inode.is_directory) return status;
  status.size_bytes = inode.now.size_blocks * kBlockBytes;
  status.allocated_bytes = status.size_bytes;
  status.mtime_ns = inode.mtime_ns;
  status.ctime_ns = inode.ctime_ns;
  status.link_count = disk_.link_count(number);
  return status;
}

FilePtr SimulatedFilesystem::open_inode(InodeNumber inode, const std::string& name) {
  return std::make_unique<SimulatedFile>(inode, name, open_handles_, locks_);
}

InodeNumber SimulatedFilesystem::must_find(const Directory& directory,
                                           const std::string& name) const {
  check_alive();
  const InodeNumber inode = disk_.lookup(inode_of(directory), intern(name));
  if (inode == 0) throw_errno(ENOENT, "look at", directory.path() + '/' + name);
  return inode;
}

// ---- The guest
// ------------------------------------------------------------------------------------

void SimulatedFilesystem::write(const std::string& path) {
  const InodeNumber inode = disk_.resolve(path);
  if (inode == 0) throw_errno(ENOENT, "write", path);
  disk_.write_fresh(inode);
}

void SimulatedFilesystem::write(File& file) {
  disk_.write_fresh(inode_of(file));
}

void SimulatedFilesystem::flush(const std::string& path) {
  const InodeNumber inode = disk_.resolve(path);
  if (inode == 0) throw_errno(ENOENT, "flush", path);
  disk_.sync_file(model_, inode);
}

void SimulatedFilesystem::fail_sync(File& file) {
  disk_.fail_sync(inode_of(file));
}

// ---- Directories
// ----------------------------------------------------------------------------------

DirectoryPtr SimulatedFilesystem::open_directory(const std::string& path) {
  check_alive();
  const InodeNumber inode = disk_.resolve(path);
  if (inode == 0) throw_errno(ENOENT, "open directory", path);
  if (!disk_.inodes[inode].is_directory) throw_errno(ENOTDIR, "open directory", path);
  return std::make_shared<SimulatedDirectory>(inode, path, open_handles_);
}

DirectoryPtr SimulatedFilesystem::open_directory(const Directory& parent, const std::string& name) {
  const InodeNumber inode = must_find(parent, name);
  const std::string path = parent.path() + '/' + name;
  if (!disk_.inodes[inode].is_directory) throw_errno(ENOTDIR, "open directory", path);
  return std::make_shared<SimulatedDirectory>(inode, path, open_handles_);
}

bool SimulatedFilesystem::make_directory(const Directory& parent, const std::string& name) {
  check_alive();
  const InodeNumber directory = inode_of(parent);
  if (disk_.lookup(directory, intern(name)) != 0) return false;
  perform({StepKind::make_directory, directory, 0, "", name},
          [this, directory, name] { disk_.link(directory, name, disk_.create(true)); });
  return true;
}

bool SimulatedFilesystem::remove_directory(const Directory& parent, const std::string& name) {
  check_alive();
  const InodeNumber directory = inode_of(parent);
  const InodeNumber inode = disk_.lookup(directory, intern(name));
  const bool in_use = std::any_of(disk_.memory.begin(), disk_.memory.end(),
                                  [&](const Entry& entry) { return entry.directory == inode; });
  if (inode == 0 || in_use) return false;
  if (!disk_.inodes[inode].is_directory) {
    throw_errno(ENOTDIR, "remove directory", parent.path() + '/' + name);
  }
  perform({StepKind::remove_directory, directory, inode, name, ""},
          [this, directory, name] { disk_.unlink(directory, name); });
  return true;
}

std::vector<std::string> SimulatedFilesystem::list(const Directory& directory) {
  check_alive();
  std::vector<std::string> names;
  for (const Entry& entry : disk_.memory) {
    if (entry.directory == inode_of(directory)) names.push_back(info(entry.name).text);
  }
  return names;
}

void SimulatedFilesystem::sync(Directory& directory) {
  check_alive();
  const InodeNumber inode = inode_of(directory);
  const std::string name = directory.path().substr(directory.path().rfind('/') + 1);
  perform({StepKind::sync_directory, inode, 0, name, ""},
          [this, inode] { disk_.sync_directory(model_, inode); });
}

void SimulatedFilesystem::lock(Directory&) {
  check_alive();
}

// ---- What is there
// --------------------------------------------------------------------------------

std::optional<FileStatus> SimulatedFilesystem::status(const Directory& directory,
                                                      const std::string& name) {
  check_alive();
  const InodeNumber inode = disk_.lookup(inode_of(directory), intern(name));
  if (inode == 0) return std::nullopt;
  return status_of(inode);
}

FileStatus SimulatedFilesystem::status(const File& file) {
  check_alive();
  return status_of(inode_of(file));
}

FileStatus SimulatedFilesystem::status(const Directory& directory) {
  check_alive();
  return status_of(inode_of(directory));
}

FilesystemKind SimulatedFilesystem::kind(const Directory&) {
  check_alive();
  return model_.name == "xfs"     ? FilesystemKind::xfs
         : model_.name == "ext4"  ? FilesystemKind::ext4
         : model_.name == "btrfs" ? FilesystemKind::btrfs
                                  : FilesystemKind::other;
}

Space SimulatedFilesystem::space(const Directory&) {
  return {1 << 30, 1 << 20};
}

bool SimulatedFilesystem::reflink_works(const Directory&, const Directory&) {
  check_alive();
  return model_.reflink;
}

bool SimulatedFilesystem::reflink_works(const Directory&, File&) {
  check_alive();
  return model_.reflink;
}

// ---- Files
// ----------------------------------------------------------------------------------------

FilePtr SimulatedFilesystem::open_file(const Directory& directory, const std::string& name,
                                       Access) {
  const InodeNumber inode = must_find(directory, name);
  if (disk_.inodes[inode].is_directory) {
    refuse(Code::corrupt, "open", directory.path() + '/' + name, "it is not a regular file");
  }
  return open_inode(inode, name);
}

FilePtr SimulatedFilesystem::create_unnamed(const Directory&, const std::string& final_name) {
  check_alive();
  return open_inode(disk_.create(false), final_name);
}

std::string SimulatedFilesystem::free_temporary(InodeNumber directory,
                                                const std::string& final_name) const {
  for (int i = 0;; ++i) {
    const std::string number = std::to_string(i);
    const std::string name = final_name + '~' + std::string(8 - number.size(), '0') + number;
    const NameId id = intern(name);
    const bool is_pending =
        std::any_of(disk_.pending.begin(), disk_.pending.end(),
                    [&](const Change& change) { return change.from == id || change.to == id; });
    if (!is_pending && find(disk_.memory, directory, id) == 0 &&
        find(disk_.durable, directory, id) == 0) {
      return name;
    }
  }
}

std::string SimulatedFilesystem::link_temporary(File& file, const Directory& directory,
                                                const std::string& final_name) {
  check_alive();
  const std::string name = free_temporary(inode_of(directory), final_name);
  link_unnamed(file, directory, name);
  return name;
}

void SimulatedFilesystem::link_unnamed(File& file, const Directory& directory,
                                       const std::string& name) {
  check_alive();
  const InodeNumber parent = inode_of(directory), inode = inode_of(file);
  if (disk_.lookup(parent, intern(name)) != 0) {
    throw_errno(EEXIST, "give its name to", directory.path() + '/' + name);
  }
  simulated(file).name = name;
  perform({StepKind::link_unnamed, parent, inode, "", name},
          [this, parent, name, inode] { disk_.link(parent, name, inode); });
}

void SimulatedFilesystem::copy(File& source, File& target) {
  const InodeNumber from = inode_of(source), to = inode_of(target);
  perform({StepKind::clone, 0, to, simulated(source).name, ""}, [this, from, to] {
    disk_.set_content(to, disk_.inodes[from].now);
    disk_.inodes[to].shares_blocks = model_.reflink;
  });
}

bool SimulatedFilesystem::clone(File& source, File& target, const Progress& progress) {
  check_alive();
  copy(source, target);
  const std::uint64_t size_bytes = status_of(inode_of(target)).size_bytes;
  if (!model_.reflink && progress) progress(size_bytes, size_bytes);
  return model_.reflink;
}

bool SimulatedFilesystem::clone_shared(File& source, File& target, std::uint64_t, const Progress&) {
  check_alive();
  if (model_.reflink) copy(source, target);
  return model_.reflink;
}

void SimulatedFilesystem::copy_out(File& source, File& target, const Progress&) {
  check_alive();
  copy(source, target);
}

bool SimulatedFilesystem::same_content(File& a, File& b) {
  check_alive();
  return disk_.inodes[inode_of(a)].now == disk_.inodes[inode_of(b)].now;
}

void SimulatedFilesystem::set_size(File& file, std::uint64_t size_bytes) {
  check_alive();
  const InodeNumber inode = inode_of(file);
  const std::uint8_t blocks = blocks_of(size_bytes);
  // ftruncate(2) to the size that it has sets no time.
  if (disk_.inodes[inode].now.size_blocks == blocks) return;
  perform({StepKind::set_size, 0, inode, simulated(file).name, ""}, [this, inode, blocks] {
    disk_.set_content(inode, resized(disk_.inodes[inode].now, blocks));
  });
}

void SimulatedFilesystem::set_mtime(File& file, std::int64_t mtime_ns) {
  check_alive();
  const InodeNumber inode = inode_of(file);
  perform({StepKind::set_mtime, 0, inode, simulated(file).name, ""}, [this, inode, mtime_ns] {
    disk_.inodes[inode].mtime_ns = mtime_ns;
    disk_.inodes[inode].ctime_ns = disk_.now_ns;
  });
}

void SimulatedFilesystem::sync(File& file) {
  check_alive();
  const InodeNumber inode = inode_of(file);
  perform({StepKind::sync_file, 0, inode, simulated(file).name, ""},
          [this, inode] { disk_.sync_file(model_, inode); });
}

void SimulatedFilesystem::close(FilePtr) {
  check_alive();
}

bool SimulatedFilesystem::try_lock(File& file, LockMode mode) {
  check_alive();
  SimulatedFile& locked = simulated(file);
  const int before = locked.held;
  locked.unlock();
  int& count = (*locks_)[locked.inode];
  const bool free = mode == LockMode::shared ? count >= 0 : count == 0;
  locked.held = free ? (mode == LockMode::shared ? 1 : -1) : 0;
  if (free) count = mode == LockMode::shared ? count + 1 : -1;
  (void)before;  // flock(2) too gives up the old lock while it converts
  return free;
}

// ---- Names
// ----------------------------------------------------------------------------------------

void SimulatedFilesystem::link(const Directory& from_directory, const std::string& from,
                               const Directory& to_directory, const std::string& to) {
  const InodeNumber inode = must_find(from_directory, from);
  const InodeNumber parent = inode_of(to_directory);
  if (disk_.lookup(parent, intern(to)) != 0) {
    throw_errno(EEXIST, "link", to_directory.path() + '/' + to);
  }
  perform({StepKind::link, parent, inode, from, to},
          [this, parent, to, inode] { disk_.link(parent, to, inode); });
}

FilePtr SimulatedFilesystem::rename(const Directory& directory, const std::string& from,
                                    const std::string& to) {
  must_find(directory, from);
  const InodeNumber parent = inode_of(directory);
  const InodeNumber replaced = disk_.lookup(parent, intern(to));
  if (replaced != 0 && disk_.inodes[replaced].is_directory) {
    throw_errno(EISDIR, "rename", directory.path() + '/' + to);
  }
  FilePtr kept = replaced == 0 ? nullptr : open_inode(replaced, to);
  const bool is_leftover = replaced == 0 && info(intern(from)).role == Role::revision;
  perform({StepKind::rename, parent, 0, from, to, is_leftover},
          [this, parent, from, to] { disk_.rename(parent, from, to); });
  return kept;
}

FilePtr SimulatedFilesystem::unlink(const Directory& directory, const std::string& name) {
  check_alive();
  const InodeNumber parent = inode_of(directory);
  const InodeNumber inode = disk_.lookup(parent, intern(name));
  if (inode == 0) return nullptr;
  if (disk_.inodes[inode].is_directory) {
    throw_errno(EISDIR, "unlink", directory.path() + '/' + name);
  }
  FilePtr kept = open_inode(inode, name);
  const Role role = info(intern(name)).role;
  const bool is_leftover = role == Role::temporary || role == Role::import ||
                           has_other_name(disk_.memory, parent, intern(name), inode);
  perform({StepKind::unlink, parent, inode, name, "", is_leftover},
          [this, parent, name] { disk_.unlink(parent, name); });
  return kept;
}

int SimulatedFilesystem::refresh_loops(File&) {
  check_alive();
  return 0;
}

FilePtr SimulatedFilesystem::duplicate(int) {
  refuse(Code::not_supported, "use", "a descriptor", "the simulation has none");
}

int SimulatedFilesystem::release(FilePtr) {
  refuse(Code::not_supported, "release", "a file", "the simulation has no descriptors");
}

}  // namespace qubes::storage::simulation
