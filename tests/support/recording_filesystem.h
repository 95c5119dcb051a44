// SPDX-License-Identifier: LGPL-2.1-or-later
// A Filesystem that writes down every step that changes something, and passes it on.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_RECORDING_FILESYSTEM_H
#define QUBES_STORAGE_TESTS_SUPPORT_RECORDING_FILESYSTEM_H

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/support/forwarding_filesystem.h"

namespace qubes::storage {

class RecordingFilesystem final : public ForwardingFilesystem {
 public:
  // Claims to be of the given kind. With `pretend_reflink`, copies pass for clones, so that the
  // protocols of a reflink filesystem run on any.
  RecordingFilesystem(std::shared_ptr<Filesystem> inner, FilesystemKind kind, bool pretend_reflink);

  // The steps since the last call, for example "rename a -> b", "sync directory". Temporary names
  // read `NAME~`.
  std::vector<std::string> take();

  // The next sync of a file fails with this errno, and does nothing.
  void fail_next_file_sync(int errno_value) { sync_errno_ = errno_value; }

  bool make_directory(const Directory& parent, const std::string& name) override;
  bool remove_directory(const Directory& parent, const std::string& name) override;
  void sync(Directory& directory) override;
  FilesystemKind kind(const Directory& directory) override;
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
  void set_size(File& file, std::uint64_t size_bytes) override;
  void sync(File& file) override;
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override;
  FilePtr unlink(const Directory& directory, const std::string& name) override;
  FilePtr duplicate(int descriptor) override;

 private:
  void note(std::string step);
  // What a file that was opened here is called in the steps. A name outlives its file only until
  // the address is used again.
  FilePtr named(FilePtr file, const std::string& name);
  void set_name(const File& file, const std::string& name);
  std::string name_of(const File& file);

  const FilesystemKind kind_;
  const bool pretend_reflink_;
  int sync_errno_ = 0;
  std::mutex mutex_;
  std::vector<std::string> steps_;
  std::unordered_map<const File*, std::string> names_;
};

}  // namespace qubes::storage

#endif
