// SPDX-License-Identifier: LGPL-2.1-or-later
// The seam over a Disk. Every step that changes something goes through an observer, which may look
// at the disk before and after it (the explorer), or do something else instead (the teeth).
#ifndef QUBES_STORAGE_TESTS_SIMULATION_SIMULATED_FILESYSTEM_H
#define QUBES_STORAGE_TESTS_SIMULATION_SIMULATED_FILESYSTEM_H

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/fs/filesystem.h"
#include "tests/simulation/disk.h"

namespace qubes::storage::simulation {

enum class StepKind {
  make_directory,
  remove_directory,
  sync_directory,
  link_unnamed,  // also under a temporary name
  clone,
  set_size,
  set_mtime,
  sync_file,
  link,
  rename,
  unlink,
};

struct Step {
  StepKind kind;
  InodeNumber directory = 0;  // of the names
  InodeNumber inode = 0;      // of the file
  std::string from;           // the name that goes, or is worked on
  std::string to;             // the name that comes
  // Of an unlink: a temporary, an import, or one of several names of the file in this directory. Of
  // a rename: a revision becomes the clean image where there is none.
  bool is_leftover = false;

  std::string text() const;  // "rename root-dirty.img -> root.img"
};

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  // Does the step by calling `act`, once, or not.
  virtual void perform(const Step& step, const std::function<void()>& act) = 0;
  // The operation is about to answer, and again when the background work is done.
  virtual void finish() {}
};

class SimulatedFilesystem final : public Filesystem {
 public:
  SimulatedFilesystem(Disk disk, const CrashModel& model);

  Disk& disk() { return disk_; }
  const CrashModel& model() const { return model_; }
  void observe(StepObserver* observer) { observer_ = observer; }
  // From here on every call fails, as if there were no filesystem any more: nothing is left to do.
  void die() { dead_ = true; }
  int open_handles() const { return *open_handles_; }

  // What the guest does.
  void write(const std::string& path);
  void write(File& file);
  void flush(const std::string& path);
  // What is not durable of it now never will be, though a later sync says otherwise.
  void fail_sync(File& file);
  void advance_clock() { disk_.now_ns += kTickNs; }

  DirectoryPtr open_directory(const std::string& path) override;
  DirectoryPtr open_directory(const Directory& parent, const std::string& name) override;
  bool make_directory(const Directory& parent, const std::string& name) override;
  bool remove_directory(const Directory& parent, const std::string& name) override;
  std::vector<std::string> list(const Directory& directory) override;
  void sync(Directory& directory) override;
  void lock(Directory& directory) override;
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override;
  FileStatus status(const File& file) override;
  FileStatus status(const Directory& directory) override;
  FilesystemKind kind(const Directory& directory) override;
  Space space(const Directory& directory) override;
  bool reflink_works(const Directory& target, const Directory& source) override;
  bool reflink_works(const Directory& target, File& source) override;
  FilePtr open_file(const Directory& directory, const std::string& name, Access access) override;
  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override;
  std::string link_temporary(File& file, const Directory& directory,
                             const std::string& final_name) override;
  void link_unnamed(File& file, const Directory& directory, const std::string& name) override;
  bool clone(File& source, File& target, const Progress& progress) override;
  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override;
  void copy_out(File& source, File& target, const Progress& progress) override;
  bool same_content(File& a, File& b) override;
  void set_size(File& file, std::uint64_t size_bytes) override;
  void set_mtime(File& file, std::int64_t mtime_ns) override;
  void sync(File& file) override;
  void close(FilePtr file) override;
  bool try_lock(File& file, LockMode mode) override;
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override;
  FilePtr unlink(const Directory& directory, const std::string& name) override;
  int refresh_loops(File& file) override;
  FilePtr duplicate(int descriptor) override;
  int release(FilePtr file) override;

 private:
  void perform(const Step& step, const std::function<void()>& act);
  void check_alive() const;
  FileStatus status_of(InodeNumber inode) const;
  FilePtr open_inode(InodeNumber inode, const std::string& name);
  InodeNumber must_find(const Directory& directory, const std::string& name) const;
  void copy(File& source, File& target);
  std::string free_temporary(InodeNumber directory, const std::string& final_name) const;

  Disk disk_;
  const CrashModel model_;
  const std::uint64_t device_;  // another for each, so that the library's locks do not meet
  StepObserver* observer_ = nullptr;
  bool dead_ = false;
  std::shared_ptr<int> open_handles_ = std::make_shared<int>(0);
  // flock: -1 exclusive, else how many share it.
  std::shared_ptr<std::map<InodeNumber, int>> locks_ =
      std::make_shared<std::map<InodeNumber, int>>();
};

}  // namespace qubes::storage::simulation

#endif
