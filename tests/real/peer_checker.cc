// SPDX-License-Identifier: LGPL-2.1-or-later
// The peer's invariants over a directory. Sessions with snapshots disabled are not among them.
#include "tests/real/peer_checker.h"

#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>

#include "tests/support/files.h"

namespace qubes::storage::test {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::optional<struct stat> look(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == -1) return std::nullopt;
  return status;
}

bool same_mtime(const struct stat& a, const struct stat& b) {
  return a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class Checker {
 public:
  Checker(std::string pool, const std::vector<PeerVolume>& volumes,
          const std::vector<std::string>& foreign)
      : pool_(std::move(pool)), volumes_(volumes), foreign_(foreign.begin(), foreign.end()) {}

  std::string run() {
    for (const PeerVolume& volume : volumes_) check_volume(volume);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pool_)) {
      if (!entry.is_directory()) check_file(std::filesystem::relative(entry.path(), pool_));
    }
    return objections_;
  }

 private:
  void object(const std::string& to, const std::string& why) {
    objections_ += to + ": " + why + "; ";
  }

  std::optional<struct stat> image(const std::string& vid, const std::string& suffix) const {
    return look(pool_ + '/' + vid + suffix);
  }

  void check_volume(const PeerVolume& volume) {
    const auto clean = image(volume.vid, ".img");
    const auto dirty = image(volume.vid, "-dirty.img");
    if (volume.running && !dirty) object(volume.vid, "runs without a dirty image");
    if (!volume.running && dirty) object(volume.vid, "is stopped with a dirty image");
    if (image(volume.vid, "-import.img")) object(volume.vid, "has an import");
    switch (volume.kind) {
      case PeerVolume::Kind::origin:
        if (!clean) object(volume.vid, "Missing image file");
        if (clean && clean->st_size == 0) object(volume.vid, "its clean image is empty");
        check_precache(volume.vid);
        break;
      case PeerVolume::Kind::snapshot:
        // Stopped, it may have one beside our precache: the peer's start replaces it.
        if (volume.running && !clean) object(volume.vid, "runs without a clean image");
        if (!volume.running && clean && !image(volume.vid, "-precache.img")) {
          object(volume.vid, "is stopped with a clean image");
        }
        if (!image(volume.source, ".img")) object(volume.source, "Missing image file");
        break;
      case PeerVolume::Kind::volatile_volume:
        if (clean) object(volume.vid, "is volatile and has a clean image");
        break;
    }
  }

  // The peer removes one whose mtime or size differs. Any other it renames to be a session.
  void check_precache(const std::string& vid) {
    const auto clean = image(vid, ".img");
    const auto precache = image(vid, "-precache.img");
    if (!precache || !clean) return;
    if (precache->st_size != clean->st_size || !same_mtime(*precache, *clean)) return;
    if (precache->st_ino == clean->st_ino) object(vid, "its precache is the clean image itself");
    const std::string path = pool_ + '/' + vid;
    if (read_file(path + "-precache.img") != read_file(path + ".img")) {
      object(vid, "its precache passes for the clean image and differs");
    }
  }

  void check_file(const std::string& relative) {
    if (foreign_.contains(relative)) return;
    const auto status = look(pool_ + '/' + relative);
    if (!status || !S_ISREG(status->st_mode)) return object(relative, "is no regular file");
    if ((status->st_mode & 07777) != 0600) object(relative, "its mode is not 0600");
    // The rule of udev that keeps loop devices over images from other VMs.
    const std::string path = pool_ + '/' + relative;
    if (!matches("*/appvms/*/*.img*", path) && !matches("*/vm-templates/*/*.img*", path)) {
      object(relative, "the rule of udev does not cover it");
    }
    const auto owner =
        std::find_if(volumes_.begin(), volumes_.end(),
                     [&](const PeerVolume& volume) { return owns(volume.vid, relative); });
    if (owner == volumes_.end()) return object(relative, "belongs to no volume");
    if (matches(owner->vid + "*.img*~*", relative)) object(relative, "is a temporary");
  }

  bool owns(const std::string& vid, const std::string& relative) {
    for (const char* const suffix : {".img", "-dirty.img", "-precache.img", "-import.img"}) {
      if (relative == vid + suffix || matches(vid + suffix + "~*", relative)) return true;
    }
    if (!matches(vid + ".img.*@*Z", relative)) return false;
    check_revision(vid, relative);
    return true;
  }

  // int(NUMBER), which must be unique for a dict, and datetime.strptime(TIME).
  void check_revision(const std::string& vid, const std::string& relative) {
    const std::string rest = relative.substr(vid.size() + std::string(".img.").size());
    const auto at = rest.find('@');
    const std::string number = rest.substr(0, at);
    if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) {
      return object(relative, "ValueError: its number is no int");
    }
    if (!revisions_.emplace(vid, std::stoull(number)).second) {
      object(relative, "its number is taken");
    }
    std::tm time{};
    const char* const end = ::strptime(rest.c_str() + at + 1, "%Y-%m-%dT%H:%M:%SZ", &time);
    if (end == nullptr || *end != '\0') object(relative, "ValueError: its time does not parse");
    const auto clean = image(vid, ".img");
    if (clean && clean->st_ino == look(pool_ + '/' + relative)->st_ino) {
      object(relative, "is the clean image itself");
    }
  }

  const std::string pool_;
  const std::vector<PeerVolume>& volumes_;
  const std::set<std::string> foreign_;
  std::set<std::pair<std::string, unsigned long long>> revisions_;
  std::string objections_;
};

}  // namespace

std::string objections_of_the_peer(const std::string& pool, const std::vector<PeerVolume>& volumes,
                                   const std::vector<std::string>& foreign) {
  return Checker(pool, volumes, foreign).run();
}

}  // namespace qubes::storage::test
