// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/files.h"

#include <filesystem>
#include <functional>
#include <utility>

#include "src/fs/error.h"
#include "src/name_changes.h"

namespace qubes::storage {
namespace {

// "." for a name alone.
std::string parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path().string() : std::string(".");
}

struct Path {
  explicit Path(const std::string& path)
      : parent(parent_of(path)), name(std::filesystem::path(path).filename().string()) {
    if (name.empty() || name == "." || name == "..") {
      refuse(Code::invalid, "open file", path, "it does not name a file");
    }
  }

  std::string parent;
  std::string name;
};

// Opens the directory of `path`; makes it, one level, where it is absent.
DirectoryPtr make_parent(Filesystem& fs, const Path& path) {
  try {
    return fs.open_directory(path.parent);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
  }
  Path parent(path.parent);
  DirectoryPtr above = fs.open_directory(parent.parent);
  fs.make_directory(*above, parent.name);
  fs.sync(*above);
  return fs.open_directory(*above, parent.name);
}

// Replaces or makes the file in one step, durably.
void replace(Filesystem& fs, const std::string& target, const std::function<void(File&)>& fill) {
  Path path(target);
  DirectoryPtr directory = make_parent(fs, path);
  auto present = fs.status(*directory, path.name);
  if (present && !present->is_regular) {
    refuse(Code::corrupt, "replace file", target, "it is not a regular file");
  }
  NameChanges changes(fs, directory);
  publish_file(fs, directory, changes, path.name, fill);
  changes.settle();
}

FilePtr open(Filesystem& fs, const std::string& file, Access access) {
  Path path(file);
  return fs.open_file(*fs.open_directory(path.parent), path.name, access);
}

}  // namespace

bool file_clone(Filesystem& fs, const std::string& source, const std::string& target,
                std::optional<std::uint64_t> size_bytes, bool keep_mtime,
                const Progress& progress) {
  FilePtr content = open(fs, source, Access::read);
  bool reflinked = false;
  replace(fs, target, [&](File& file) {
    reflinked = fs.clone(*content, file, progress);
    if (size_bytes) fs.set_size(file, *size_bytes);
    if (keep_mtime) fs.set_mtime(file, fs.status(*content).mtime_ns);
  });
  return reflinked;
}

void file_create_sparse(Filesystem& fs, const std::string& path, std::uint64_t size_bytes) {
  replace(fs, path, [&](File& file) { fs.set_size(file, size_bytes); });
}

void file_resize(Filesystem& fs, const std::string& path, std::uint64_t size_bytes) {
  FilePtr file = open(fs, path, Access::read_write);
  fs.set_size(*file, size_bytes);
  fs.sync(*file);
}

void loop_refresh(Filesystem& fs, const std::string& path) {
  fs.refresh_loops(*open(fs, path, Access::read));
}

}  // namespace qubes::storage
