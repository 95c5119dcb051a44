// SPDX-License-Identifier: LGPL-2.1-or-later
// The seam between the protocols and the kernel: all that the library ever does to a filesystem.
//
// Each method says what is *durable* when it returns, that is, what a power cut right after it
// cannot take away. Where it says nothing, nothing is. Every method is relative to an open
// directory, so that no rename of a parent can lead it astray. Names are single path components.
// Failures are thrown as Error; EINTR and short reads and writes never come out of here.
//
// One implementation talks to the kernel (real_filesystem.h). The tests have others: recording
// (which calls, how many syncs), faulting (the n-th call fails), simulated (knows what a crash
// may leave).
#ifndef QUBES_STORAGE_SRC_FS_FILESYSTEM_H
#define QUBES_STORAGE_SRC_FS_FILESYSTEM_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace qubes::storage {

// An open file. Destroying it closes it, drops its locks and, where it was the last link to its
// inode, frees the blocks: O(extents).
class File {
 public:
  virtual ~File() = default;
};
using FilePtr = std::unique_ptr<File>;

// An open directory. Destroying it closes it and drops its lock.
class Directory {
 public:
  virtual ~Directory() = default;
  // The path it was opened by, for messages only.
  virtual const std::string& path() const = 0;
};
using DirectoryPtr = std::shared_ptr<Directory>;

// What the filesystem is known to do with names (docs/CRASH_MODEL.md). ext4 counts only with a
// journal; everything unknown is `other`.
enum class FilesystemKind { xfs, btrfs, ext4, other };

struct FileStatus {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t mtime_ns = 0;  // since the epoch
  std::int64_t ctime_ns = 0;
  std::uint64_t link_count = 0;
  bool is_regular = false;
  bool is_directory = false;

  bool same_inode(const FileStatus& other) const {
    return device == other.device && inode == other.inode;
  }
};

struct Space {
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;
};

// Told of a long copy: bytes done and, where it is known, bytes in all. It cancels the copy by
// throwing; the exception comes out of the copying method unchanged.
using Progress = std::function<void(std::uint64_t done, std::optional<std::uint64_t> total)>;

enum class Access { read, read_write };
enum class LockMode { shared, exclusive };

class Filesystem {
 public:
  virtual ~Filesystem() = default;

  // ---- Directories ------------------------------------------------------------------------

  // Opens the directory at an absolute or relative path. Throws not_found where there is none.
  virtual DirectoryPtr open_directory(const std::string& path) = 0;
  virtual DirectoryPtr open_directory(const Directory& parent, const std::string& name) = 0;

  // Makes a directory, mode 0777 less the umask; false where the name is taken already.
  // Durable once the parent, or on XFS and ext4 anything below it, has been synced.
  virtual bool make_directory(const Directory& parent, const std::string& name) = 0;

  // Removes an empty directory; false where it is absent or not empty. Durable once the parent
  // has been synced.
  virtual bool remove_directory(const Directory& parent, const std::string& name) = 0;

  // All names but `.` and `..`, in no order.
  virtual std::vector<std::string> list(const Directory& directory) = 0;

  // Makes every name change in this directory so far durable. After a failure the changes may
  // or may not be durable, and a second sync that succeeds proves nothing about them.
  virtual void sync(Directory& directory) = 0;

  // Takes the advisory lock of the directory (flock, exclusive), waiting for it. It is held until
  // the object is destroyed, and dies with the process.
  virtual void lock(Directory& directory) = 0;

  // ---- What is there ----------------------------------------------------------------------

  // Of the name itself: symbolic links are not followed. None where there is no such name.
  virtual std::optional<FileStatus> status(const Directory& directory, const std::string& name) = 0;
  virtual FileStatus status(const File& file) = 0;
  virtual FileStatus status(const Directory& directory) = 0;

  virtual FilesystemKind kind(const Directory& directory) = 0;
  virtual Space space(const Directory& directory) = 0;

  // Whether a file of `source` can be cloned into `target` by sharing blocks. Tried on unnamed
  // files; nothing is left.
  virtual bool reflink_works(const Directory& target, const Directory& source) = 0;

  // The same of a regular file that is there: tried with one block of it.
  virtual bool reflink_works(const Directory& target, File& source) = 0;

  // ---- Files ------------------------------------------------------------------------------

  // Opens a regular file; not a symbolic link (corrupt), nor anything else (corrupt).
  virtual FilePtr open_file(const Directory& directory, const std::string& name, Access access) = 0;

  // Creates an empty file, mode 0600, without a name. Where the filesystem has no unnamed files it
  // gets the name that link_temporary would give it, at once.
  virtual FilePtr create_unnamed(const Directory& directory, const std::string& final_name) = 0;

  // Gives an unnamed file the temporary name `FINAL~XXXXXXXX` (8 of [a-z0-9_], not taken before)
  // in the directory where it was created, and returns that name.
  virtual std::string link_temporary(File& file, const Directory& directory,
                                     const std::string& final_name) = 0;

  // Gives an unnamed file its final name at once. Throws exists where the name is taken.
  virtual void link_unnamed(File& file, const Directory& directory, const std::string& name) = 0;

  // Makes the content of `target`, which is empty, that of `source`, holes as holes. Shares the
  // blocks (FICLONERANGE, in pieces) and returns true; where the kernel says that it cannot (EBADF,
  // EINVAL, EOPNOTSUPP, ENOTTY, EXDEV), copies and returns false. A `source` that is not a regular
  // file (a pipe, a device) is read from where it stands to its end.
  virtual bool clone(File& source, File& target, const Progress& progress) = 0;

  // The same, but only by sharing, and from byte `from` on: of a clone that was cut short by
  // `progress`, what it was last told of is there. False, with `target` still empty, where the
  // kernel cannot. `source` must not change meanwhile; without a `progress` it may: there is but
  // one piece then, of one moment.
  virtual bool clone_shared(File& source, File& target, std::uint64_t from,
                            const Progress& progress) = 0;

  // Writes the content of `source`, a regular file, to `target`: a regular file (holes stay holes,
  // what was there is replaced) or a stream (holes as zeros).
  virtual void copy_out(File& source, File& target, const Progress& progress) = 0;

  // Whether two regular files have the same size and the same bytes. Reads all that is not a hole
  // in both: O(size).
  virtual bool same_content(File& a, File& b) = 0;

  // Cuts, or grows with zeros (a hole).
  virtual void set_size(File& file, std::uint64_t size_bytes) = 0;
  virtual void set_mtime(File& file, std::int64_t mtime_ns) = 0;

  // Makes content, size and mtime of the file durable; not its name. After a failure its content is
  // unknown for good: a second sync that succeeds proves nothing.
  virtual void sync(File& file) = 0;

  // Closes a file that was written and reports what close(2) says. (Destroying a File cannot.)
  virtual void close(FilePtr file) = 0;

  // Takes an advisory lock of the file (flock) if that needs no waiting; false where somebody holds
  // it. It is held until the File is destroyed, and dies with the process.
  virtual bool try_lock(File& file, LockMode mode) = 0;

  // ---- Names: durable once the directory has been synced ------------------------------------

  // A hard link. Throws exists where `to` is taken, not_found where `from` is absent.
  virtual void link(const Directory& from_directory, const std::string& from,
                    const Directory& to_directory, const std::string& to) = 0;

  // Renames within one directory; what `to` named before is unlinked in the same step.
  // Returns that inode, kept alive (null where `to` was free), so that its blocks are freed only
  // when the caller destroys it.
  virtual FilePtr rename(const Directory& directory, const std::string& from,
                         const std::string& to) = 0;

  // Removes a name and returns its inode, kept alive as above; null where there was no such name
  // or the inode could not be opened for want of descriptors (its blocks are freed at once then).
  virtual FilePtr unlink(const Directory& directory, const std::string& name) = 0;

  // ---- Loop devices -------------------------------------------------------------------------

  // Tells every loop device backed by this inode that the size has changed (LOOP_SET_CAPACITY),
  // and checks that each took it. Returns how many there were.
  virtual int refresh_loops(File& file) = 0;

  // ---- Descriptors of the caller --------------------------------------------------------------

  // A File over a duplicate of `descriptor`; the caller's stays open and is not closed here.
  virtual FilePtr duplicate(int descriptor) = 0;

  // Gives the descriptor of `file` away; the caller closes it.
  virtual int release(FilePtr file) = 0;
};

}  // namespace qubes::storage

#endif
