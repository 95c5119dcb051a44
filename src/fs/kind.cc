// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells the filesystems apart by their magic numbers, and an ext4 with a journal by sysfs.
#include "src/fs/kind.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <climits>
#include <string_view>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// Linux 6.18: journal_task holds the process number of jbd2, and "<none>" where the filesystem
// has no journal. The magic number is also that of ext2 and ext3: the ext4 driver mounts these
// too, the ext2 driver has no such directory. Whatever cannot be read counts as no journal: that
// costs flushes, the opposite would cost data.
bool has_journal(dev_t device) {
  const std::string link =
      "/sys/dev/block/" + std::to_string(major(device)) + ':' + std::to_string(minor(device));
  char target[PATH_MAX];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  if (length <= 0) return false;
  std::string_view name(target, static_cast<std::size_t>(length));
  name.remove_prefix(name.rfind('/') + 1);  // of no '/' too: npos + 1 is 0

  const std::string path = "/sys/fs/ext4/" + std::string(name) + "/journal_task";
  const UniqueFd fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY);
  char first = '\0';
  return fd && retry([&] { return ::read(fd.get(), &first, 1); }) == 1 && first >= '1' &&
         first <= '9';
}

}  // namespace

FilesystemKind kind_of(int fd, const std::string& path) {
  struct statfs filesystem {};
  if (retry([&] { return ::fstatfs(fd, &filesystem); }) == -1) {
    throw_errno(errno, "look at the filesystem of", path);
  }
  switch (filesystem.f_type) {
    case XFS_SUPER_MAGIC:
      return FilesystemKind::xfs;
    case BTRFS_SUPER_MAGIC:
      return FilesystemKind::btrfs;
    case EXT4_SUPER_MAGIC: {
      struct stat status {};
      if (::fstat(fd, &status) == -1) throw_errno(errno, "look at", path);
      return has_journal(status.st_dev) ? FilesystemKind::ext4 : FilesystemKind::other;
    }
    default:
      return FilesystemKind::other;
  }
}

}  // namespace qubes::storage
