// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testvm/crash/observe.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <map>

#include "testvm/crash/stamp.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

namespace fs = std::filesystem;
using simulation::Disk;
using simulation::InodeNumber;
using simulation::VolumeSpec;

constexpr std::int64_t kNs = 1'000'000'000;

class Observer {
 public:
  explicit Observer(std::set<std::string>* foreign) : foreign_(foreign) {}

  Disk run(const std::string& pool, const std::vector<VolumeSpec>& specs) {
    std::set<std::string> prefixes, machines;
    const InodeNumber root = directory(simulation::kRoot, "pool");
    for (const VolumeSpec& spec : specs) {
      if (prefixes.insert(spec.prefix).second) directory(root, spec.prefix);
      if (!machines.insert(spec.prefix + '/' + spec.vm).second) continue;
      const InodeNumber prefix = disk_.lookup(root, simulation::intern(spec.prefix));
      files(prefix, spec.vm, pool + '/' + spec.prefix + '/' + spec.vm);
    }
    disk_.settle_all();
    return std::move(disk_);
  }

 private:
  InodeNumber directory(InodeNumber parent, const std::string& name) {
    const InodeNumber inode = disk_.create(true);
    disk_.link(parent, name, inode);
    return inode;
  }

  void files(InodeNumber prefix, const std::string& vm, const std::string& path) {
    std::error_code error;
    fs::directory_iterator entries(path, error);
    if (error == std::errc::no_such_file_or_directory) return;
    if (error) throw SystemError("cannot list '" + path + "': " + error.message());
    const InodeNumber inode = directory(prefix, vm);
    for (const fs::directory_entry& entry : entries) {
      const std::string name = entry.path().filename();
      const simulation::NameInfo& meaning = simulation::info(simulation::intern(name));
      if (meaning.role != simulation::Role::foreign) {
        file(inode, name, entry.path());
      } else if (foreign_ != nullptr) {
        foreign_->insert(entry.path());
      }
    }
  }

  // A file with several names is read once.
  void file(InodeNumber directory, const std::string& name, const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() == -1 && errno == ENOENT) return;  // the library's worker was faster
    check(fd.get(), "open", path);
    struct stat status {};
    check(::fstat(fd.get(), &status), "look at", path);
    InodeNumber& inode = inodes_[{status.st_dev, status.st_ino}];
    if (inode == 0) {
      inode = disk_.create(false);
      disk_.inodes[inode].now = read_content(fd.get(), path);
      disk_.inodes[inode].mtime_ns = status.st_mtim.tv_sec * kNs + status.st_mtim.tv_nsec;
    }
    disk_.link(directory, name, inode);
  }

  std::set<std::string>* const foreign_;
  Disk disk_;
  std::map<std::pair<dev_t, ino_t>, InodeNumber> inodes_;
};

}  // namespace

Disk observe(const std::string& pool, const std::vector<VolumeSpec>& specs,
             std::set<std::string>* foreign) {
  return Observer(foreign).run(pool, specs);
}

}  // namespace qubes::storage::crash
