// SPDX-License-Identifier: LGPL-2.1-or-later
// A Filesystem that passes everything on; who changes something overrides that. Files and
// directories are those of the inner one.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_FORWARDING_FILESYSTEM_H
#define QUBES_STORAGE_TESTS_SUPPORT_FORWARDING_FILESYSTEM_H

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/fs/filesystem.h"

namespace qubes::storage {

class ForwardingFilesystem : public Filesystem {
 public:
  explicit ForwardingFilesystem(std::shared_ptr<Filesystem> inner) : inner_(std::move(inner)) {}

  DirectoryPtr open_directory(const std::string& path) override {
    return inner_->open_directory(path);
  }
  DirectoryPtr open_directory(const Directory& parent, const std::string& name) override {
    return inner_->open_directory(parent, name);
  }
  bool make_directory(const Directory& parent, const std::string& name) override {
    return inner_->make_directory(parent, name);
  }
  bool remove_directory(const Directory& parent, const std::string& name) override {
    return inner_->remove_directory(parent, name);
  }
  std::vector<std::string> list(const Directory& directory) override {
    return inner_->list(directory);
  }
  void sync(Directory& directory) override { inner_->sync(directory); }
  void lock(Directory& directory) override { inner_->lock(directory); }
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    return inner_->status(directory, name);
  }
  FileStatus status(const File& file) override { return inner_->status(file); }
  FileStatus status(const Directory& directory) override { return inner_->status(directory); }
  FilesystemKind kind(const Directory& directory) override { return inner_->kind(directory); }
  Space space(const Directory& directory) override { return inner_->space(directory); }
  bool reflink_works(const Directory& target, const Directory& source) override {
    return inner_->reflink_works(target, source);
  }
  bool reflink_works(const Directory& target, File& source) override {
    return inner_->reflink_works(target, source);
  }
  FilePtr open_file(const Directory& directory, const std::string& name, Access access) override {
    return inner_->open_file(directory, name, access);
  }
  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override {
    return inner_->create_unnamed(directory, final_name);
  }
  std::string link_temporary(File& file, const Directory& directory,
                             const std::string& final_name) override {
    return inner_->link_temporary(file, directory, final_name);
  }
  void link_unnamed(File& file, const Directory& directory, const std::string& name) override {
    inner_->link_unnamed(file, directory, name);
  }
  bool clone(File& source, File& target, const Progress& progress) override {
    return inner_->clone(source, target, progress);
  }
  bool clone_shared(File& source, File& target, std::uint64_t from,
                    const Progress& progress) override {
    return inner_->clone_shared(source, target, from, progress);
  }
  void copy_out(File& source, File& target, const Progress& progress) override {
    inner_->copy_out(source, target, progress);
  }
  bool same_content(File& a, File& b) override { return inner_->same_content(a, b); }
  void set_size(File& file, std::uint64_t size_bytes) override {
    inner_->set_size(file, size_bytes);
  }
  void set_mtime(File& file, std::int64_t mtime_ns) override { inner_->set_mtime(file, mtime_ns); }
  void sync(File& file) override { inner_->sync(file); }
  void close(FilePtr file) override { inner_->close(std::move(file)); }
  bool try_lock(File& file, LockMode mode) override { return inner_->try_lock(file, mode); }
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override {
    inner_->link(from_directory, from, to_directory, to);
  }
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    return inner_->rename(directory, from, to);
  }
  FilePtr unlink(const Directory& directory, const std::string& name) override {
    return inner_->unlink(directory, name);
  }
  int refresh_loops(File& file) override { return inner_->refresh_loops(file); }
  FilePtr duplicate(int descriptor) override { return inner_->duplicate(descriptor); }
  int release(FilePtr file) override { return inner_->release(std::move(file)); }

 protected:
  Filesystem& inner() { return *inner_; }

 private:
  const std::shared_ptr<Filesystem> inner_;
};

}  // namespace qubes::storage

#endif
