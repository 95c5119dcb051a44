// SPDX-License-Identifier: LGPL-2.1-or-later
// mkfs, mount -o loop and umount by their commands; the device goes by itself with the mount.
#include "tests/support/loop_mount.h"

#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/process.h"

namespace qubes::storage {

std::ostream& operator<<(std::ostream& stream, FilesystemKind kind) {
  switch (kind) {
    case FilesystemKind::xfs:
      return stream << "xfs";
    case FilesystemKind::btrfs:
      return stream << "btrfs";
    case FilesystemKind::ext4:
      return stream << "ext4";
    case FilesystemKind::other:
      break;
  }
  return stream << "tmpfs";
}

namespace test {
namespace {

// mkfs.xfs makes nothing smaller without being told to.
constexpr std::uint64_t kXfsSupportedBytes = std::uint64_t{300} << 20;

std::string name_of(FilesystemKind kind) {
  std::ostringstream stream;
  stream << kind;
  return stream.str();
}

std::string make_temporary_directory(const std::string& parent) {
  std::string path = parent + "/qubes-storage-test-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    throw std::runtime_error("cannot make a temporary directory in " + parent);
  }
  return path;
}

// Memory is faster, and its own syncs cost nothing.
std::string place_for_images(std::uint64_t size_bytes) {
  struct statvfs memory {};
  const bool is_there = ::statvfs("/dev/shm", &memory) == 0;
  // Twice: a crash image may be put beside it.
  const bool has_room = is_there && memory.f_bavail * memory.f_frsize > 2 * size_bytes;
  return has_room ? "/dev/shm" : "/var/tmp";
}

void make_image(const std::string& path, std::uint64_t size_bytes) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, size_bytes);
}

void make_filesystem(FilesystemKind kind, const std::string& image, std::uint64_t size_bytes,
                     const std::vector<std::string>& options) {
  std::vector<std::string> command = {"mkfs." + name_of(kind), "-q"};
  if (kind == FilesystemKind::xfs && size_bytes < kXfsSupportedBytes) {
    command.push_back("--unsupported");
  }
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(image);
  run_checked(command);
}

// Of Btrfs's superblock (fs/btrfs, struct btrfs_super_block).
constexpr std::size_t kSuperBytes = 4096;
constexpr std::size_t kSumBytes = 32;
constexpr std::size_t kFsid = 0x20;
constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kIncompatible = 0xbc;
constexpr std::size_t kMetadataUuid = 0x23b;
constexpr std::uint64_t kHasMetadataUuid = std::uint64_t{1} << 10;

std::uint32_t crc32c(const unsigned char* bytes, std::size_t count) {
  std::uint32_t sum = ~std::uint32_t{0};
  for (std::size_t i = 0; i < count; ++i) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78U : 0U);
  }
  return ~sum;
}

// Two with one fsid cannot be mounted at once before Linux 6.7. btrfstune would commit a
// transaction, after which the log tree, which is what a crash leaves, no longer fits. So only the
// superblocks are changed: the fsid that the blocks carry becomes the metadata's (since Linux 5.0).
void give_another_fsid(const std::string& image) {
  std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
  for (const std::streamoff offset : {std::streamoff{64} << 10, std::streamoff{64} << 20}) {
    std::array<unsigned char, kSuperBytes> super{};
    if (!file.seekg(offset).read(reinterpret_cast<char*>(super.data()), kSuperBytes)) break;
    std::uint64_t features = 0;
    std::memcpy(&features, &super[kIncompatible], sizeof features);
    features |= kHasMetadataUuid;
    std::memcpy(&super[kIncompatible], &features, sizeof features);
    std::memcpy(&super[kMetadataUuid], &super[kFsid], kUuidBytes);
    super[kFsid] ^= 0xff;
    const std::uint32_t sum = crc32c(&super[kSumBytes], kSuperBytes - kSumBytes);
    std::memcpy(super.data(), &sum, sizeof sum);
    file.seekp(offset).write(reinterpret_cast<const char*>(super.data()), kSuperBytes);
  }
  file.close();
  if (!file) throw std::runtime_error("cannot change the fsid in " + image);
}

}  // namespace

void require_root() {
  if (::geteuid() != 0) {
    throw std::runtime_error("these tests mount filesystems: run them as root");
  }
}

LoopMount::LoopMount(FilesystemKind kind, std::uint64_t size_bytes,
                     const std::vector<std::string>& mkfs_options)
    : kind_(kind), directory_(make_temporary_directory(place_for_images(size_bytes))) {
  try {
    if (kind == FilesystemKind::other) {
      mount({"-t", "tmpfs", "-o", "size=" + std::to_string(size_bytes), "tmpfs"});
      return;
    }
    image_ = directory_ + "/image";
    make_image(image_, size_bytes);
    make_filesystem(kind, image_, size_bytes, mkfs_options);
    mount({"-t", name_of(kind), "-o", "loop", image_});
  } catch (...) {
    clean_up();
    throw;
  }
}

LoopMount::LoopMount(FilesystemKind kind, const LoopMount& original)
    : kind_(kind),
      directory_(make_temporary_directory(
          std::filesystem::path(original.directory_).parent_path().string())) {
  try {
    image_ = directory_ + "/image";
    run_checked({"cp", "--sparse=always", original.image_, image_});
    // The copy has the UUID of the original. XFS has to be told; Btrfs with one device mounts it
    // under a temporary identifier since Linux 6.7 (tried on 6.18), before that not at all.
    if (kind == FilesystemKind::btrfs) give_another_fsid(image_);
    const bool is_xfs = kind == FilesystemKind::xfs;
    mount({"-t", name_of(kind), "-o", is_xfs ? "loop,nouuid" : "loop", image_});
  } catch (...) {
    clean_up();
    throw;
  }
}

LoopMount::~LoopMount() {
  clean_up();
}

void LoopMount::mount(const std::vector<std::string>& options) {
  const std::string mount_point = directory_ + "/mount";
  std::filesystem::create_directory(mount_point);
  std::vector<std::string> command = {"mount"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(mount_point);
  run_checked(command);
  path_ = mount_point;  // from now on it has to be unmounted
  if (!image_.empty()) device_ = run_checked({"findmnt", "-no", "SOURCE", path_});
}

void LoopMount::clean_up() noexcept try {
  // Busy for a moment where the kernel or a process that has just ended still has it.
  for (int attempt = 0; !path_.empty() && attempt < 50; ++attempt) {
    if (::umount2(path_.c_str(), 0) == 0) path_.clear();
    if (!path_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (!path_.empty()) {
    std::cerr << path_ << " stays busy: something still uses it; detached\n";
    if (::umount2(path_.c_str(), MNT_DETACH) == -1) {
      std::cerr << path_ << " cannot be unmounted and is left\n";
      return;
    }
  }
  std::filesystem::remove_all(directory_);
} catch (const std::exception& error) {
  std::cerr << "left behind: " << directory_ << ": " << error.what() << '\n';
}

std::uint64_t LoopMount::statistic(int field) const {
  if (device_.empty()) throw std::runtime_error(path_ + " has no device");
  const std::string name = std::filesystem::path(device_).filename();
  std::ifstream stream("/sys/block/" + name + "/stat");
  std::uint64_t value = 0;
  for (int i = 0; i < field; ++i) stream >> value;  // counted from 1, as in block/stat.rst
  if (!stream) throw std::runtime_error("no statistics of " + device_);
  return value;
}

std::unique_ptr<LoopMount> LoopMount::crash_image() const {
  if (image_.empty()) throw std::runtime_error(path_ + " has no image");
  return std::unique_ptr<LoopMount>(new LoopMount(kind_, *this));
}

LoopMount& mounted(FilesystemKind kind) {
  static std::map<FilesystemKind, std::unique_ptr<LoopMount>> mounts;
  std::unique_ptr<LoopMount>& mount = mounts[kind];
  if (!mount) mount = std::make_unique<LoopMount>(kind);
  return *mount;
}

ScratchDirectory::ScratchDirectory(const std::string& parent)
    : path_(make_temporary_directory(parent)) {}

ScratchDirectory::~ScratchDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) std::cerr << "left behind: " << path_ << ": " << error.message() << '\n';
}

}  // namespace test
}  // namespace qubes::storage
