// SPDX-License-Identifier: LGPL-2.1-or-later
// What others may do at any moment, and what makes some crash states come about at all: they write
// back a part of a dirty file, sync files, links, old inodes or the directory, or commit
// everything. Nothing of it is anything that a correct program may not survive.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <vector>

#include "testvm/crash/preload/call.h"
#include "testvm/crash/random.h"

namespace qubes::storage::crash {
namespace {

constexpr off_t kPieceBytes = 16 * 1024;
constexpr std::size_t kNeighbours = 3;
constexpr std::size_t kHeld = 4;

void sync(int fd) {
  ::syscall(SYS_fsync, fd);
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path, int flags = O_RDONLY)
      : fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~Descriptor() {
    if (fd != -1) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

class Noise {
 public:
  // seed=N,percent=N: how often something happens before or after a call.
  explicit Noise(const std::string& specification) : random_(0) {
    std::istringstream stream(specification);
    for (std::string part; std::getline(stream, part, ',');) {
      if (part.rfind("seed=", 0) == 0) random_ = Random(std::stoull(part.substr(5)));
      if (part.rfind("percent=", 0) == 0) percent_ = std::stoul(part.substr(8));
    }
  }

  void make(const Call& call, When when) {
    const std::lock_guard guard(mutex_);
    if (percent_ > 0 && when == When::after) aim(call);
    if (random_.below(100) >= percent_) return;
    for (std::size_t times = 1 + random_.below(3); times > 0; --times) one(call.directory);
  }

 private:
  using Action = void (Noise::*)(const std::string& directory);

  // What random actions hardly ever come to: between a link and a rename everything is committed,
  // and after the rename the inode that was linked is synced. Btrfs then lost the new name.
  void aim(const Call& call) {
    if (call.kind == CallKind::link) {
      linked_ = random_.one_in(2) ? call.directory + '/' + call.to : "";
      if (!linked_.empty()) sync_everything("");
    } else if (call.kind == CallKind::rename && !linked_.empty()) {
      const Descriptor file(linked_);
      if (file.fd != -1) sync(file.fd);
      linked_.clear();
    }
  }

  void one(const std::string& directory) {
    static constexpr Action kActions[] = {
        &Noise::write_back_partly, &Noise::write_back_partly, &Noise::sync_file,
        &Noise::sync_file,         &Noise::sync_held,         &Noise::hold,
        &Noise::write_neighbour,   &Noise::link_neighbour,    &Noise::link_neighbour,
        &Noise::sync_directory,    &Noise::sync_parent,       &Noise::sync_everything,
        &Noise::sync_filesystem,
    };
    (this->*kActions[random_.below(std::size(kActions))])(directory);
  }

  std::string any_file(const std::string& directory) {
    std::vector<std::string> names;
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) return "";
    while (const dirent* entry = ::readdir(stream)) {
      if (entry->d_name[0] != '.') names.push_back(entry->d_name);
    }
    ::closedir(stream);
    return names.empty() ? "" : directory + '/' + names[random_.below(names.size())];
  }

  void write_back_partly(const std::string& directory) {
    const Descriptor file(any_file(directory));
    struct stat status {};
    if (::fstat(file.fd, &status) == -1) return;
    for (off_t at = 0; at < status.st_size; at += kPieceBytes) {
      if (!random_.one_in(2)) continue;
      ::sync_file_range(
          file.fd, at, kPieceBytes,
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
  }

  void sync_file(const std::string& directory) {
    const Descriptor file(any_file(directory));
    if (file.fd != -1) sync(file.fd);
  }

  // A descriptor that outlives the file's name.
  void hold(const std::string& directory) {
    int& held = held_[random_.below(kHeld)];
    if (held > 0) ::close(held);
    held = ::open(any_file(directory).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  }

  void sync_held(const std::string&) {
    const int held = held_[random_.below(kHeld)];
    if (held > 0) sync(held);
  }

  std::string neighbour(const std::string& directory) {
    // One of them looks like a temporary file.
    const std::size_t number = random_.below(kNeighbours);
    return directory + "/neighbour-" + (number == 0 ? "0~" : std::to_string(number));
  }

  void write_neighbour(const std::string& directory) {
    const Descriptor file(neighbour(directory), O_WRONLY | O_CREAT | O_APPEND);
    static constexpr std::array<char, 512> kText{};
    const bool is_written = ::write(file.fd, kText.data(), kText.size()) > 0;
    if (is_written && random_.one_in(2)) sync(file.fd);
  }

  void link_neighbour(const std::string& directory) {
    const std::string from = neighbour(directory);
    const std::string to = directory + "/link-" + std::to_string(random_.below(kNeighbours));
    ::syscall(SYS_unlinkat, AT_FDCWD, to.c_str(), 0);
    ::syscall(SYS_linkat, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0);
    const Descriptor file(to);
    if (file.fd != -1) sync(file.fd);
  }

  void sync_directory(const std::string& directory) {
    const Descriptor file(directory, O_DIRECTORY);
    if (file.fd != -1) sync(file.fd);
  }

  void sync_parent(const std::string& directory) { sync_directory(directory + "/.."); }

  void sync_everything(const std::string&) { ::syscall(SYS_sync); }

  void sync_filesystem(const std::string& directory) {
    const Descriptor file(directory, O_DIRECTORY);
    if (file.fd != -1) ::syscall(SYS_syncfs, file.fd);
  }

  std::mutex mutex_;
  Random random_;
  std::size_t percent_ = 0;
  std::array<int, kHeld> held_{};
  std::string linked_;
};

}  // namespace

std::atomic<bool> is_quiet = false;

void make_noise(const Call& call, When when) {
  static const char* const specification = std::getenv("CRASH_NOISE");
  static Noise noise(specification == nullptr ? "" : specification);
  const bool is_wanted = specification != nullptr && !is_quiet;
  if (is_wanted && !call.directory.empty()) noise.make(call, when);
}

}  // namespace qubes::storage::crash

extern "C" void crash_quiet(bool is_quiet) {
  qubes::storage::crash::is_quiet = is_quiet;
}
