// SPDX-License-Identifier: LGPL-2.1-or-later
// Asks libmount for the mount, and libblkid and the kernel about the device under it. Nothing
// here ever looks into a file: what an image holds comes from a virtual machine.
#include "src/fs/mount_info.h"

#include <blkid/blkid.h>
#include <libmount/libmount.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <memory>

#include "src/fs/descriptor.h"
#include "src/fs/error.h"

namespace qubes::storage {
namespace {

constexpr char kMountTable[] = "/proc/self/mountinfo";

using TablePtr = std::unique_ptr<libmnt_table, decltype(&mnt_unref_table)>;
using IterPtr = std::unique_ptr<libmnt_iter, decltype(&mnt_free_iter)>;
using ProbePtr = std::unique_ptr<blkid_struct_probe, decltype(&blkid_free_probe)>;

std::string text(const char* value) {
  return value == nullptr ? "" : value;
}

// The mount with this identifier: exact whatever is bind-mounted or mounted over what.
libmnt_fs* find_by_id(libmnt_table* table, std::uint64_t mount_id) {
  const IterPtr iter(mnt_new_iter(MNT_ITER_FORWARD), &mnt_free_iter);
  if (!iter) throw_errno(ENOMEM, "read", kMountTable);
  libmnt_fs* entry = nullptr;
  while (mnt_table_next_fs(table, iter.get(), &entry) == 0) {
    if (static_cast<std::uint64_t>(mnt_fs_get_id(entry)) == mount_id) return entry;
  }
  return nullptr;
}

// For kernels before 5.8, which do not tell the identifier: the deepest mount above the real path,
// the latest of several at one place.
libmnt_fs* find_by_path(libmnt_table* table, const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (!real) throw_errno(errno, "resolve", path);
  return mnt_table_find_mountpoint(table, real.get(), MNT_ITER_BACKWARD);
}

libmnt_fs* find_mount(libmnt_table* table, const std::string& path, const struct statx& status) {
  libmnt_fs* entry = nullptr;
  if ((status.stx_mask & STATX_MNT_ID) != 0) entry = find_by_id(table, status.stx_mnt_id);
  if (entry == nullptr) entry = find_by_path(table, path);
  if (entry == nullptr) refuse(Code::not_found, "find the mount of", path, "it is not listed");
  return entry;
}

// Btrfs gives each subvolume a device number without a device (major 0): there the device that
// was mounted has to tell.
std::uint64_t block_device_number(const struct statx& status, const std::string& device) {
  if (status.stx_dev_major != 0) return makedev(status.stx_dev_major, status.stx_dev_minor);
  struct stat node {};
  if (!device.starts_with('/') || ::stat(device.c_str(), &node) == -1) return 0;
  return S_ISBLK(node.st_mode) ? node.st_rdev : 0;
}

bool is_block_device(int fd, std::uint64_t number) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == number;
}

// Checked after opening, so that it is a device and the right one, never a file. The path that it
// was mounted by may be gone (/dev/root); udev keeps one by number.
UniqueFd open_device(std::uint64_t number, const std::string& path) {
  const std::string by_number =
      "/dev/block/" + std::to_string(major(number)) + ':' + std::to_string(minor(number));
  for (const std::string& candidate : {path, by_number}) {
    struct stat node {};
    if (!candidate.starts_with('/') || ::stat(candidate.c_str(), &node) == -1) continue;
    if (!S_ISBLK(node.st_mode) || node.st_rdev != number) continue;
    UniqueFd fd = open_at(AT_FDCWD, candidate.c_str(), O_RDONLY | O_NONBLOCK);
    if (fd && is_block_device(fd.get(), number)) return fd;
  }
  return {};
}

// Only the parser of the filesystem that is mounted there gets to see the device.
std::optional<std::string> filesystem_uuid(int fd, std::string type) {
  const ProbePtr probe(blkid_new_probe(), &blkid_free_probe);
  if (!probe || blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) return std::nullopt;
  char* only[] = {type.data(), nullptr};
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_UUID);
  blkid_probe_filter_superblocks_type(probe.get(), BLKID_FLTR_ONLYIN, only);
  const char* uuid = nullptr;
  if (blkid_do_safeprobe(probe.get()) != 0 ||
      blkid_probe_lookup_value(probe.get(), "UUID", &uuid, nullptr) != 0) {
    return std::nullopt;
  }
  return uuid;
}

// The ioctls and not libblkid's topology: that may run dmsetup and lvdisplay.
template <typename Value>
std::optional<std::uint32_t> ask(int fd, unsigned long request) {
  Value value = 0;
  if (::ioctl(fd, request, &value) == -1) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

}  // namespace

MountInfo mount_info(const std::string& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_MNT_ID, &status) == -1) {
    throw_errno(errno, "look at", path);
  }
  errno = 0;
  const TablePtr table(mnt_new_table_from_file(kMountTable), &mnt_unref_table);
  if (!table) throw_errno(errno == 0 ? ENOMEM : errno, "read", kMountTable);
  libmnt_fs* const entry = find_mount(table.get(), path, status);

  MountInfo info;
  info.filesystem_type = text(mnt_fs_get_fstype(entry));
  info.mount_point = text(mnt_fs_get_target(entry));
  info.device = text(mnt_fs_get_source(entry));
  info.device_number = block_device_number(status, info.device);
  if (info.device_number == 0) return info;
  if (const UniqueFd fd = open_device(info.device_number, info.device)) {
    info.uuid = filesystem_uuid(fd.get(), info.filesystem_type);
    info.logical_sector_bytes = ask<int>(fd.get(), BLKSSZGET);
    info.physical_sector_bytes = ask<unsigned>(fd.get(), BLKPBSZGET);
  }
  return info;
}

}  // namespace qubes::storage
