// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/support/recording_filesystem.h"

#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// Without the random part.
std::string readable(const std::string& name) {
  return name.size() > 9 && name[name.size() - 9] == '~' ? name.substr(0, name.size() - 8) : name;
}

std::string last(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

RecordingFilesystem::RecordingFilesystem(std::shared_ptr<Filesystem> inner, FilesystemKind kind,
                                         bool pretend_reflink)
    : ForwardingFilesystem(std::move(inner)), kind_(kind), pretend_reflink_(pretend_reflink) {}

void RecordingFilesystem::note(std::string step) {
  std::lock_guard guard(mutex_);
  steps_.push_back(std::move(step));
}

FilePtr RecordingFilesystem::named(FilePtr file, const std::string& name) {
  set_name(*file, name);
  return file;
}

void RecordingFilesystem::set_name(const File& file, const std::string& name) {
  std::lock_guard guard(mutex_);
  names_[&file] = name;
}

std::string RecordingFilesystem::name_of(const File& file) {
  std::lock_guard guard(mutex_);
  return names_.at(&file);
}

std::vector<std::string> RecordingFilesystem::take() {
  std::lock_guard guard(mutex_);
  return std::exchange(steps_, {});
}

bool RecordingFilesystem::make_directory(const Directory& parent, const std::string& name) {
  note("make directory " + name);
  return inner().make_directory(parent, name);
}
bool RecordingFilesystem::remove_directory(const Directory& parent, const std::string& name) {
  note("remove directory " + name);
  return inner().remove_directory(parent, name);
}
void RecordingFilesystem::sync(Directory& directory) {
  note("sync directory " + last(directory.path()));
  inner().sync(directory);
}

FilesystemKind RecordingFilesystem::kind(const Directory&) {
  return kind_;
}
bool RecordingFilesystem::reflink_works(const Directory& target, const Directory& source) {
  return pretend_reflink_ || inner().reflink_works(target, source);
}

bool RecordingFilesystem::reflink_works(const Directory& target, File& source) {
  return pretend_reflink_ || inner().reflink_works(target, source);
}

FilePtr RecordingFilesystem::open_file(const Directory& directory, const std::string& name,
                                       Access access) {
  return named(inner().open_file(directory, name, access), name);
}
FilePtr RecordingFilesystem::create_unnamed(const Directory& directory,
                                            const std::string& final_name) {
  return named(inner().create_unnamed(directory, final_name), "unnamed");
}
std::string RecordingFilesystem::link_temporary(File& file, const Directory& directory,
                                                const std::string& final_name) {
  std::string name = inner().link_temporary(file, directory, final_name);
  set_name(file, readable(name));
  note("link unnamed " + readable(name));
  return name;
}
void RecordingFilesystem::link_unnamed(File& file, const Directory& directory,
                                       const std::string& name) {
  note("link unnamed " + name);
  inner().link_unnamed(file, directory, name);
  set_name(file, name);
}
bool RecordingFilesystem::clone(File& source, File& target, const Progress& progress) {
  note("clone " + name_of(source));
  return inner().clone(source, target, progress) || pretend_reflink_;
}
bool RecordingFilesystem::clone_shared(File& source, File& target, std::uint64_t from,
                                       const Progress& progress) {
  if (pretend_reflink_) return clone(source, target, progress);
  note("clone " + name_of(source));
  return inner().clone_shared(source, target, from, progress);
}
void RecordingFilesystem::set_size(File& file, std::uint64_t size_bytes) {
  note("set size " + name_of(file));
  inner().set_size(file, size_bytes);
}
void RecordingFilesystem::sync(File& file) {
  note("sync " + name_of(file));
  if (const int errno_value = std::exchange(sync_errno_, 0)) {
    throw_errno(errno_value, "sync file", name_of(file));
  }
  inner().sync(file);
}

void RecordingFilesystem::link(const Directory& from_directory, const std::string& from,
                               const Directory& to_directory, const std::string& to) {
  note("link " + from + " -> " + to);
  inner().link(from_directory, from, to_directory, to);
}
FilePtr RecordingFilesystem::rename(const Directory& directory, const std::string& from,
                                    const std::string& to) {
  note("rename " + readable(from) + " -> " + to);
  return inner().rename(directory, from, to);
}
FilePtr RecordingFilesystem::unlink(const Directory& directory, const std::string& name) {
  FilePtr inode = inner().unlink(directory, name);
  if (inode) note("unlink " + readable(name));
  return inode;
}
FilePtr RecordingFilesystem::duplicate(int descriptor) {
  return named(inner().duplicate(descriptor), "descriptor");
}

}  // namespace qubes::storage
