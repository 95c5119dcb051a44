// SPDX-License-Identifier: LGPL-2.1-or-later
// Any filesystem, of which one call fails with an errno that the kernel may give there, and has
// done nothing.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_FAULTING_FILESYSTEM_H
#define QUBES_STORAGE_TESTS_SIMULATION_FAULTING_FILESYSTEM_H

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/forwarding_filesystem.h"

namespace qubes::storage::simulation {

enum class Call {
  open,
  make_name,  // link, rename, the making of a directory: needs space
  remove_name,
  list,
  sync_directory,
  sync_file,
  status,
  lock,
  create,
  clone,
  set_size,
  set_time,
  close,
};

// What the kernel may say there (section ERRORS of the manual pages; ENOSPC and EDQUOT wherever
// blocks are needed).
const std::vector<int>& errnos_of(Call call);

class FaultingFilesystem final : public ForwardingFilesystem {
 public:
  using ForwardingFilesystem::ForwardingFilesystem;

  // The n-th call from now, from 1, fails with the which-th errno for it, from 0.
  void arm(int n, std::size_t which);
  void disarm() { countdown_ = 0; }
  bool has_fired() const { return fired_.has_value(); }
  Call fired() const { return *fired_; }
  int fired_errno() const { return fired_errno_; }
  // There is no such errno for that call: nothing was injected.
  bool is_out_of_errnos() const { return out_of_errnos_; }
  std::string what() const;

  std::function<void(File&, int)> on_failed_sync;  // of a file

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

 private:
  bool fires(Call call);
  void may_fail(Call call, const std::string& path);

  int countdown_ = 0;
  std::size_t which_ = 0;
  std::optional<Call> fired_;
  int fired_errno_ = 0;
  bool out_of_errnos_ = false;
  std::string path_;
};

}  // namespace qubes::storage::simulation

#endif
