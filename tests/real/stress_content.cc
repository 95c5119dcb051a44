// SPDX-License-Identifier: LGPL-2.1-or-later
// Handles, and the content of images in the stress test.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "src/fs/descriptor.h"
#include "tests/real/stress.h"

namespace qubes::storage::test::stress {
namespace {

using Block = std::array<std::uint64_t, 512>;

void must(std::int32_t code, const char* what) {
  if (code == QUBES_STORAGE_OK) return;
  throw std::runtime_error(std::string(what) + ": " + qubes_storage_code_name(code));
}

bool fill(int fd, std::uint64_t generation) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) return false;
  Block block;
  block.fill(generation);
  for (off_t at = 0; at < status.st_size; at += static_cast<off_t>(kStride)) {
    if (::pwrite(fd, block.data(), sizeof block, at) != sizeof block) return false;
  }
  return true;
}

}  // namespace

void Failures::add(const std::string& what) {
  std::lock_guard guard(mutex_);
  if (found_.size() < 20) found_.push_back(what);
}

std::vector<std::string> Failures::take() {
  std::lock_guard guard(mutex_);
  return std::exchange(found_, {});
}

Pool open_pool(const std::string& path) {
  Ref<qubes_storage_pool_config, qubes_storage_pool_config_ref, qubes_storage_pool_config_unref>
      config;
  Pool pool;
  must(qubes_storage_pool_config_new(path.c_str(), config.out(), nullptr), "new config");
  must(qubes_storage_pool_config_set_setup_check(config.get(), 0, nullptr), "set_setup_check");
  must(qubes_storage_pool_open(config.get(), pool.out(), nullptr), "open pool");
  return pool;
}

Volume open_volume(const Pool& pool, const Kind& kind) {
  Ref<qubes_storage_volume_config, qubes_storage_volume_config_ref,
      qubes_storage_volume_config_unref>
      of;
  Volume volume;
  must(qubes_storage_volume_config_new(of.out(), nullptr), "new config");
  must(qubes_storage_volume_config_set_size(of.get(), kStride * kStridesMax, nullptr), "set size");
  must(qubes_storage_volume_config_set_rw(of.get(), 1, nullptr), "set rw");
  must(qubes_storage_volume_config_set_save_on_stop(of.get(), kind.save_on_stop, nullptr), "save");
  if (kind.source != nullptr) {
    must(qubes_storage_volume_config_set_snap_on_start(of.get(), 1, nullptr), "set snap");
    must(qubes_storage_volume_config_set_source(of.get(), kind.source, nullptr), "set source");
  }
  must(qubes_storage_volume_config_set_revisions_to_keep(of.get(), kind.revisions_to_keep, nullptr),
       "set revisions_to_keep");
  must(qubes_storage_pool_volume(pool.get(), kind.vid, of.get(), volume.out(), nullptr), kind.vid);
  return volume;
}

std::uint64_t new_generation() {
  static std::atomic<std::uint64_t> last = 0;
  return static_cast<std::uint64_t>(::getpid()) << 32 | ++last;
}

void stamp(const std::string& path, std::uint64_t generation) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || !fill(fd.get(), generation)) throw std::runtime_error("cannot write " + path);
}

int stamped_file(const std::string& directory, std::uint64_t generation, std::uint64_t strides) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const bool done = fd && ::ftruncate(fd.get(), static_cast<off_t>(strides * kStride)) == 0 &&
                    fill(fd.get(), generation);
  return done ? fd.release() : -1;
}

std::uint64_t generation_of(int fd, const std::string& what, Failures& failures) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) {
    failures.add("cannot look at " + what);
    return 0;
  }
  std::uint64_t first = 0;
  bool has_ended = false;
  for (off_t at = 0; at < status.st_size; at += static_cast<off_t>(kStride)) {
    Block block{};
    if (::pread(fd, block.data(), sizeof block, at) == -1) failures.add("cannot read " + what);
    const std::uint64_t own = block.front();
    const bool is_whole = std::all_of(block.begin(), block.end(), [&](auto w) { return w == own; });
    if (at == 0) first = own;
    has_ended = has_ended || own == 0;
    if (!is_whole || own != (has_ended ? 0 : first)) {
      failures.add(what + " is of generation " + std::to_string(first) + ", but at " +
                   std::to_string(at) + " it has " + std::to_string(own));
      break;
    }
  }
  return first;
}

std::uint64_t generation_of(const std::string& path, Failures& failures) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) return generation_of(fd.get(), path, failures);
  failures.add("cannot open " + path);
  return 0;
}

}  // namespace qubes::storage::test::stress
