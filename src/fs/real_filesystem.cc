// SPDX-License-Identifier: LGPL-2.1-or-later
// One system call or few per method; what needs more has a file of its own next to this one.
#include "src/fs/real_filesystem.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "src/fs/copy.h"
#include "src/fs/descriptor.h"
#include "src/fs/error.h"
#include "src/fs/kind.h"
#include "src/fs/loop.h"
#include "src/fs/reflink.h"
#include "src/fs/unnamed.h"

namespace qubes::storage {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

class RealDirectory final : public Directory {
 public:
  RealDirectory(UniqueFd descriptor, std::string path)
      : fd(std::move(descriptor)), path_(std::move(path)) {}
  ~RealDirectory() override { lock.end(fd); }
  RealDirectory(const RealDirectory&) = delete;
  RealDirectory& operator=(const RealDirectory&) = delete;
  const std::string& path() const override { return path_; }

  const UniqueFd fd;
  OwnLock lock;

 private:
  const std::string path_;
};

class RealFile final : public File {
 public:
  RealFile(UnnamedFile opened, std::string for_messages)
      : file(std::move(opened)), path(std::move(for_messages)) {}
  RealFile(UniqueFd fd, std::string for_messages)
      : RealFile(UnnamedFile{std::move(fd), {}}, std::move(for_messages)) {}

  ~RealFile() override { lock.end(file.fd); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  int fd() const { return file.fd.get(); }
  OpenFile open() const { return {fd(), path}; }

  UnnamedFile file;
  std::string path;
  OwnLock lock;
};

// All objects that come in were made here.
const RealDirectory& real(const Directory& directory) {
  return static_cast<const RealDirectory&>(directory);
}
RealDirectory& real(Directory& directory) {
  return static_cast<RealDirectory&>(directory);
}
RealFile& real(File& file) {
  return static_cast<RealFile&>(file);
}
const RealFile& real(const File& file) {
  return static_cast<const RealFile&>(file);
}
int fd_of(const Directory& directory) {
  return real(directory).fd.get();
}

std::string path_of(const Directory& directory, const std::string& name) {
  return directory.path() + '/' + name;
}

// The last line of defence against a name that would lead out of the directory.
const char* component(const Directory& directory, const std::string& name) {
  const bool is_component = !name.empty() && name != "." && name != ".." &&
                            name.find('/') == std::string::npos &&
                            name.find('\0') == std::string::npos;
  if (!is_component) {
    refuse(Code::invalid, "use name", path_of(directory, name), "it is not one path component");
  }
  return name.c_str();
}

// A time beyond the years 1677 to 2262 wraps around: times that differ must not become one.
std::int64_t nanoseconds(const struct timespec& time) {
  const auto seconds = static_cast<std::uint64_t>(time.tv_sec);
  return static_cast<std::int64_t>(seconds * std::uint64_t{kNsPerSecond} +
                                   static_cast<std::uint64_t>(time.tv_nsec));
}

FileStatus to_status(const struct stat& from) {
  FileStatus status;
  status.device = from.st_dev;
  status.inode = from.st_ino;
  status.size_bytes = static_cast<std::uint64_t>(from.st_size);
  status.allocated_bytes = static_cast<std::uint64_t>(from.st_blocks) * 512;  // whatever the block
  status.mtime_ns = nanoseconds(from.st_mtim);
  status.ctime_ns = nanoseconds(from.st_ctim);
  status.link_count = from.st_nlink;
  status.is_regular = S_ISREG(from.st_mode);
  status.is_directory = S_ISDIR(from.st_mode);
  return status;
}

DirectoryPtr open_directory_at(int parent, const char* name, int flags, const std::string& path) {
  UniqueFd fd = open_at(parent, name, O_RDONLY | O_DIRECTORY | flags);
  if (!fd) throw_errno(errno, "open directory", path);
  return std::make_shared<RealDirectory>(std::move(fd), path);
}

void synchronise(int fd, const char* step, const std::string& path) {
  if (retry([&] { return ::fsync(fd); }) == -1) throw_errno(errno, step, path);
}

// The inode behind a name, so that it outlives the name; null if there is none or no descriptor is
// free: to keep it is a kindness to the caller, not worth failing for. O_PATH is enough to keep an
// inode and its blocks, opens nothing, and works whatever the name is.
FilePtr keep_alive(int directory, const char* name, const std::string& path) {
  UniqueFd fd = open_at(directory, name, O_PATH | O_NOFOLLOW);
  if (fd) return std::make_unique<RealFile>(std::move(fd), path);
  if (errno == ENOENT || errno == EMFILE || errno == ENFILE || errno == ENOMEM) return nullptr;
  throw_errno(errno, "look at", path);
}

void refuse_other_types(int fd, const std::string& path) {
  if (!S_ISREG(stat_of({fd, path}).st_mode)) {
    refuse(Code::corrupt, "open", path, "it is not a regular file");
  }
}

class RealFilesystem final : public Filesystem {
 public:
  // ---- Directories ------------------------------------------------------------------------

  DirectoryPtr open_directory(const std::string& path) override {
    return open_directory_at(AT_FDCWD, path.c_str(), 0, path);
  }

  DirectoryPtr open_directory(const Directory& parent, const std::string& name) override {
    return open_directory_at(fd_of(parent), component(parent, name), O_NOFOLLOW,
                             path_of(parent, name));
  }

  bool make_directory(const Directory& parent, const std::string& name) override {
    const char* const one = component(parent, name);
    if (retry([&] { return ::mkdirat(fd_of(parent), one, 0777); }) == 0) return true;
    if (errno == EEXIST) return false;
    throw_errno(errno, "create directory", path_of(parent, name));
  }

  bool remove_directory(const Directory& parent, const std::string& name) override {
    const char* const one = component(parent, name);
    if (retry([&] { return ::unlinkat(fd_of(parent), one, AT_REMOVEDIR); }) == 0) return true;
    if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST) return false;
    throw_errno(errno, "remove directory", path_of(parent, name));
  }

  std::vector<std::string> list(const Directory& directory) override {
    // Opened anew: a duplicate would share its position with other listings.
    UniqueFd fd = open_at(fd_of(directory), ".", O_RDONLY | O_DIRECTORY);
    if (!fd) throw_errno(errno, "list directory", directory.path());
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (!stream) throw_errno(errno, "list directory", directory.path());
    fd.release();  // closedir does it
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) throw_errno(errno, "list directory", directory.path());
    return names;
  }

  void sync(Directory& directory) override {
    synchronise(fd_of(directory), "sync directory", directory.path());
  }

  void lock(Directory& directory) override {
    if (retry([&] { return ::flock(fd_of(directory), LOCK_EX); }) == -1) {
      throw_errno(errno, "lock directory", directory.path());
    }
    real(directory).lock.hold();
  }

  // ---- What is there ----------------------------------------------------------------------

  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    const char* const one = component(directory, name);
    struct stat found {};
    if (retry([&] { return ::fstatat(fd_of(directory), one, &found, AT_SYMLINK_NOFOLLOW); }) == 0) {
      return to_status(found);
    }
    if (errno == ENOENT) return std::nullopt;
    throw_errno(errno, "look at", path_of(directory, name));
  }

  FileStatus status(const File& file) override { return to_status(stat_of(real(file).open())); }

  FileStatus status(const Directory& directory) override {
    return to_status(stat_of({fd_of(directory), directory.path()}));
  }

  FilesystemKind kind(const Directory& directory) override {
    return kind_of(fd_of(directory), directory.path());
  }

  Space space(const Directory& directory) override {
    struct statvfs found {};
    if (retry([&] { return ::fstatvfs(fd_of(directory), &found); }) == -1) {
      throw_errno(errno, "find the space of", directory.path());
    }
    return {found.f_blocks * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize};
  }

  bool reflink_works(const Directory& target, const Directory& source) override {
    const FilePtr from = create_unnamed(source, "reflink-test");
    const OpenFile written = real(*from).open();
    const auto size_bytes = static_cast<std::size_t>(stat_of(written).st_blksize);
    const std::vector<std::byte> content(size_bytes, std::byte{1});
    write_range(written, {0, size_bytes}, content.data());
    return reflink_works(target, *from);
  }

  bool reflink_works(const Directory& target, File& source) override {
    const FilePtr to = create_unnamed(target, "reflink-test");
    return share_last_block(real(source).open(), real(*to).open());
  }

  // ---- Files ------------------------------------------------------------------------------

  FilePtr open_file(const Directory& directory, const std::string& name, Access access) override {
    const char* const one = component(directory, name);
    std::string path = path_of(directory, name);
    // O_NONBLOCK: opening a FIFO would wait for its other end.
    const int flags = O_NOFOLLOW | O_NONBLOCK | (access == Access::read ? O_RDONLY : O_RDWR);
    UniqueFd fd = open_at(fd_of(directory), one, flags);
    if (!fd && (errno == ENXIO || errno == ENODEV)) {  // a socket; a device without a driver
      refuse(Code::corrupt, "open", path, "it is not a regular file");
    }
    if (!fd) throw_errno(errno, "open", path);
    refuse_other_types(fd.get(), path);
    // It has done its work, and release() may give the descriptor to somebody whom it confuses.
    if (::fcntl(fd.get(), F_SETFL, 0) == -1) throw_errno(errno, "open", path);
    return std::make_unique<RealFile>(std::move(fd), std::move(path));
  }

  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override {
    component(directory, final_name);
    std::string path = path_of(directory, final_name);
    UnnamedFile file = create_unnamed_file(fd_of(directory), final_name, path);
    return std::make_unique<RealFile>(std::move(file), std::move(path));
  }

  std::string link_temporary(File& file, const Directory& directory,
                             const std::string& final_name) override {
    component(directory, final_name);
    return link_under_temporary_name(real(file).file, fd_of(directory), final_name,
                                     path_of(directory, final_name));
  }

  void link_unnamed(File& file, const Directory& directory, const std::string& name) override {
    component(directory, name);
    link_under_name(real(file).file, fd_of(directory), name, path_of(directory, name));
  }

  bool clone(File& source, File& target, const Progress& progress) override {
    if (clone_shared(source, target, 0, progress)) return true;
    copy_to_file(real(source).open(), real(target).open(), progress);
    return false;
  }

  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override {
    const OpenFile in = real(source).open();
    return S_ISREG(stat_of(in).st_mode) &&
           share_blocks_in_pieces(in, real(target).open(), from, progress);
  }

  void copy_out(File& source, File& target, const Progress& progress) override {
    const OpenFile from = real(source).open();
    const OpenFile to = real(target).open();
    if (!S_ISREG(stat_of(from).st_mode)) {
      refuse(Code::invalid, "read", from.path, "it is not a regular file");
    }
    if (S_ISREG(stat_of(to).st_mode)) {
      copy_to_file(from, to, progress);
    } else {
      copy_to_stream(from, to, progress);
    }
  }

  bool same_content(File& a, File& b) override {
    return same_bytes(real(a).open(), real(b).open());
  }

  void set_size(File& file, std::uint64_t size_bytes) override {
    truncate_to(real(file).open(), size_bytes);
  }

  void set_mtime(File& file, std::int64_t mtime_ns) override {
    std::int64_t seconds = mtime_ns / kNsPerSecond;
    std::int64_t rest = mtime_ns % kNsPerSecond;
    if (rest < 0) {  // before the epoch: the nanoseconds count upwards all the same
      rest += kNsPerSecond;
      --seconds;
    }
    struct timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = seconds;
    times[1].tv_nsec = rest;
    if (retry([&] { return ::futimens(real(file).fd(), times); }) == -1) {
      throw_errno(errno, "set the time of", real(file).path);
    }
  }

  void sync(File& file) override { synchronise(real(file).fd(), "sync", real(file).path); }

  void close(FilePtr file) override {
    RealFile& closed = real(*file);
    // Never repeated: the descriptor is gone, whatever it says. EINTR is a failure like another,
    // a write-back on a network filesystem that was cut short.
    if (::close(closed.file.fd.release()) == -1) throw_errno(errno, "close", closed.path);
  }

  bool try_lock(File& file, LockMode mode) override {
    const int operation = (mode == LockMode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    const int result = retry([&] { return ::flock(real(file).fd(), operation); });
    if (result == -1 && errno == EWOULDBLOCK) return false;
    if (result == -1) throw_errno(errno, "lock", real(file).path);
    real(file).lock.hold();
    return true;
  }

  // ---- Names ------------------------------------------------------------------------------

  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override {
    const char* const old_name = component(from_directory, from);
    const char* const new_name = component(to_directory, to);
    if (retry([&] {
          return ::linkat(fd_of(from_directory), old_name, fd_of(to_directory), new_name, 0);
        }) == -1) {
      throw_errno(errno, "link " + quoted(path_of(from_directory, from)) + " as",
                  path_of(to_directory, to));
    }
  }

  // If both names are links to one inode, rename(2) does nothing, and so does this.
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    const int fd = fd_of(directory);
    const char* const old_name = component(directory, from);
    const char* const new_name = component(directory, to);
    FilePtr replaced = keep_alive(fd, new_name, path_of(directory, to));
    if (retry([&] { return ::renameat(fd, old_name, fd, new_name); }) == -1) {
      throw_errno(errno, "rename " + quoted(path_of(directory, from)) + " to",
                  path_of(directory, to));
    }
    return replaced;
  }

  FilePtr unlink(const Directory& directory, const std::string& name) override {
    const char* const one = component(directory, name);
    FilePtr kept = keep_alive(fd_of(directory), one, path_of(directory, name));
    if (retry([&] { return ::unlinkat(fd_of(directory), one, 0); }) == 0) return kept;
    if (errno == ENOENT) return nullptr;
    throw_errno(errno, "remove", path_of(directory, name));
  }

  // ---- Loop devices, descriptors of the caller --------------------------------------------

  int refresh_loops(File& file) override { return refresh_loop_devices(real(file).open()); }

  FilePtr duplicate(int descriptor) override {
    std::string path = "descriptor " + std::to_string(descriptor);
    UniqueFd fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!fd && errno == EBADF) refuse(Code::invalid, "use", std::move(path), "it is not open");
    if (!fd) throw_errno(errno, "duplicate", std::move(path));
    return std::make_unique<RealFile>(std::move(fd), std::move(path));
  }

  int release(FilePtr file) override { return real(*file).file.fd.release(); }
};

}  // namespace

std::shared_ptr<Filesystem> real_filesystem() {
  return std::make_shared<RealFilesystem>();
}

}  // namespace qubes::storage
