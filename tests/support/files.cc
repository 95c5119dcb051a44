// SPDX-License-Identifier: LGPL-2.1-or-later
// Plain system calls and streams; nothing of src/fs but the owned descriptor.
#include "tests/support/files.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

#include "src/fs/descriptor.h"

namespace qubes::storage::test {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

struct stat stat_path(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == -1) throw std::runtime_error("cannot stat " + path);
  return status;
}

UniqueFd open_to_read(const std::string& path) {
  UniqueFd fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY);
  if (!fd) throw std::runtime_error("cannot open " + path);
  return fd;
}

}  // namespace

std::string pattern(std::size_t length, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text(length, '\0');
  for (char& byte : text) byte = static_cast<char>(1 + random() % 255);
  return text;
}

std::string patchwork() {
  std::string text = pattern(5 * kMebibyte + 3);
  text.replace(8192, 12288, 12288, '\0');
  text.replace(kMebibyte - 4096, 2 * kMebibyte, 2 * kMebibyte, '\0');
  return text.append(kMebibyte, '\0');
}

void make_patchwork(const std::string& path) {
  const std::string text = patchwork();
  write_file(path, {});
  if (::truncate(path.c_str(), static_cast<off_t>(text.size())) == -1) {
    throw std::runtime_error("cannot grow " + path);
  }
  write_at(path, 0, text.substr(0, kMebibyte - 4096));
  write_at(path, 3 * kMebibyte - 4096, text.substr(3 * kMebibyte - 4096, 2 * kMebibyte + 4099));
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << content << std::flush;
  if (!stream) throw std::runtime_error("cannot write " + path);
}

void write_at(const std::string& path, std::uint64_t offset, const std::string& content) {
  std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream << content << std::flush;
  if (!stream) throw std::runtime_error("cannot write " + path);
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::uint64_t size_of(const std::string& path) {
  return static_cast<std::uint64_t>(stat_path(path).st_size);
}

std::uint64_t allocated_bytes(const std::string& path) {
  // Delayed allocation: before that it is what the filesystem guesses.
  if (::fsync(open_to_read(path).get()) == -1) throw std::runtime_error("cannot sync " + path);
  return static_cast<std::uint64_t>(stat_path(path).st_blocks) * 512;
}

std::uint64_t free_bytes(const std::string& path) {
  if (::syncfs(open_to_read(path).get()) == -1) throw std::runtime_error("cannot sync " + path);
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) == -1) throw std::runtime_error("cannot statvfs " + path);
  return space.f_bfree * space.f_frsize;
}

void take_room(const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT, 0600);
  if (!fd) throw std::runtime_error("cannot make " + path);
  off_t end = 0;
  for (off_t piece = 64 * kMebibyte; piece >= 65536;) {
    if (::fallocate(fd.get(), 0, end, piece) == 0) {
      end += piece;
    } else if (errno == ENOSPC) {
      piece /= 2;
    } else {
      throw std::runtime_error("cannot take room by " + path);
    }
  }
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

bool has_shared_extent(const std::string& path) {
  // The header, and room for the one extent that follows it.
  alignas(fiemap) char room[sizeof(fiemap) + sizeof(fiemap_extent)] = {};
  auto* const map = reinterpret_cast<fiemap*>(room);
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = 1;
  if (::ioctl(open_to_read(path).get(), FS_IOC_FIEMAP, map) == -1) {
    throw std::runtime_error("no FIEMAP of " + path);
  }
  fiemap_extent first{};
  std::memcpy(&first, room + sizeof(fiemap), sizeof first);
  return map->fm_mapped_extents == 1 && (first.fe_flags & FIEMAP_EXTENT_SHARED) != 0;
}

}  // namespace qubes::storage::test
