// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/support/recording_filesystem.h"

#include <utility>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

// A file that knows what it is called.
struct Named final : File {
  Named(FilePtr inner_in, std::string name_in)
      : inner(std::move(inner_in)), name(std::move(name_in)) {}
  FilePtr inner;
  std::string name;
};

Named& named(File& file) {
  return static_cast<Named&>(file);
}
const Named& named(const File& file) {
  return static_cast<const Named&>(file);
}

FilePtr wrap(FilePtr file, std::string name) {
  return std::make_unique<Named>(std::move(file), std::move(name));
}

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
    : inner_(std::move(inner)), kind_(kind), pretend_reflink_(pretend_reflink) {}

void RecordingFilesystem::note(std::string step) {
  std::lock_guard guard(mutex_);
  steps_.push_back(std::move(step));
}

std::vector<std::string> RecordingFilesystem::take() {
  std::lock_guard guard(mutex_);
  return std::exchange(steps_, {});
}

DirectoryPtr RecordingFilesystem::open_directory(const std::string& path) {
  return inner_->open_directory(path);
}
DirectoryPtr RecordingFilesystem::open_directory(const Directory& parent, const std::string& name) {
  return inner_->open_directory(parent, name);
}
bool RecordingFilesystem::make_directory(const Directory& parent, const std::string& name) {
  note("make directory " + name);
  return inner_->make_directory(parent, name);
}
bool RecordingFilesystem::remove_directory(const Directory& parent, const std::string& name) {
  note("remove directory " + name);
  return inner_->remove_directory(parent, name);
}
std::vector<std::string> RecordingFilesystem::list(const Directory& directory) {
  return inner_->list(directory);
}
void RecordingFilesystem::sync(Directory& directory) {
  note("sync directory " + last(directory.path()));
  inner_->sync(directory);
}
void RecordingFilesystem::lock(Directory& directory) {
  inner_->lock(directory);
}

std::optional<FileStatus> RecordingFilesystem::status(const Directory& directory,
                                                      const std::string& name) {
  return inner_->status(directory, name);
}
FileStatus RecordingFilesystem::status(const File& file) {
  return inner_->status(*named(file).inner);
}
FileStatus RecordingFilesystem::status(const Directory& directory) {
  return inner_->status(directory);
}
FilesystemKind RecordingFilesystem::kind(const Directory&) {
  return kind_;
}
Space RecordingFilesystem::space(const Directory& directory) {
  return inner_->space(directory);
}
bool RecordingFilesystem::reflink_works(const Directory& target, const Directory& source) {
  return pretend_reflink_ || inner_->reflink_works(target, source);
}

FilePtr RecordingFilesystem::open_file(const Directory& directory, const std::string& name,
                                       Access access) {
  return wrap(inner_->open_file(directory, name, access), name);
}
FilePtr RecordingFilesystem::create_unnamed(const Directory& directory,
                                            const std::string& final_name) {
  return wrap(inner_->create_unnamed(directory, final_name), "unnamed");
}
std::string RecordingFilesystem::link_temporary(File& file, const Directory& directory,
                                                const std::string& final_name) {
  std::string name = inner_->link_temporary(*named(file).inner, directory, final_name);
  named(file).name = readable(name);
  note("link unnamed " + readable(name));
  return name;
}
void RecordingFilesystem::link_unnamed(File& file, const Directory& directory,
                                       const std::string& name) {
  note("link unnamed " + name);
  inner_->link_unnamed(*named(file).inner, directory, name);
  named(file).name = name;
}
bool RecordingFilesystem::clone(File& source, File& target, const Progress& progress) {
  note("clone " + named(source).name);
  return inner_->clone(*named(source).inner, *named(target).inner, progress) || pretend_reflink_;
}
bool RecordingFilesystem::clone_shared(File& source, File& target) {
  if (pretend_reflink_) return clone(source, target, nullptr);
  note("clone " + named(source).name);
  return inner_->clone_shared(*named(source).inner, *named(target).inner);
}
void RecordingFilesystem::copy_out(File& source, File& target, const Progress& progress) {
  inner_->copy_out(*named(source).inner, *named(target).inner, progress);
}
bool RecordingFilesystem::same_content(File& a, File& b) {
  return inner_->same_content(*named(a).inner, *named(b).inner);
}
void RecordingFilesystem::set_size(File& file, std::uint64_t size_bytes) {
  note("set size " + named(file).name);
  inner_->set_size(*named(file).inner, size_bytes);
}
void RecordingFilesystem::set_mtime(File& file, std::int64_t mtime_ns) {
  inner_->set_mtime(*named(file).inner, mtime_ns);
}
void RecordingFilesystem::sync(File& file) {
  note("sync " + named(file).name);
  if (const int errno_value = std::exchange(sync_errno_, 0)) {
    throw_errno(errno_value, "sync file", named(file).name);
  }
  inner_->sync(*named(file).inner);
}
void RecordingFilesystem::close(FilePtr file) {
  inner_->close(std::move(named(*file).inner));
}
bool RecordingFilesystem::try_lock(File& file, LockMode mode) {
  return inner_->try_lock(*named(file).inner, mode);
}

void RecordingFilesystem::link(const Directory& from_directory, const std::string& from,
                               const Directory& to_directory, const std::string& to) {
  note("link " + from + " -> " + to);
  inner_->link(from_directory, from, to_directory, to);
}
FilePtr RecordingFilesystem::rename(const Directory& directory, const std::string& from,
                                    const std::string& to) {
  note("rename " + readable(from) + " -> " + to);
  FilePtr replaced = inner_->rename(directory, from, to);
  return replaced ? wrap(std::move(replaced), to) : nullptr;
}
FilePtr RecordingFilesystem::unlink(const Directory& directory, const std::string& name) {
  FilePtr inode = inner_->unlink(directory, name);
  if (!inode) return nullptr;
  note("unlink " + readable(name));
  return wrap(std::move(inode), name);
}
int RecordingFilesystem::refresh_loops(File& file) {
  return inner_->refresh_loops(*named(file).inner);
}
FilePtr RecordingFilesystem::duplicate(int descriptor) {
  return wrap(inner_->duplicate(descriptor), "descriptor");
}
int RecordingFilesystem::release(FilePtr file) {
  return inner_->release(std::move(named(*file).inner));
}

}  // namespace qubes::storage
