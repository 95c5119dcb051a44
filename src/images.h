// SPDX-License-Identifier: LGPL-2.1-or-later
// The files of one volume during one operation, under its lock: what the protocols work on.
#ifndef QUBES_STORAGE_SRC_IMAGES_H
#define QUBES_STORAGE_SRC_IMAGES_H

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "src/fs/filesystem.h"
#include "src/name_changes.h"
#include "src/names.h"
#include "src/precaches.h"
#include "src/volume_files.h"

namespace qubes::storage {

struct Images {
  Images(Filesystem& fs_in, DirectoryPtr directory_in, const ImageNames& names_in,
         Progress progress_in = nullptr)
      : fs(fs_in),
        directory(std::move(directory_in)),
        names(names_in),
        files(scan(fs, *directory, names)),
        changes(fs, directory),
        progress(progress_in ? std::move(progress_in) : [](auto, auto) {}) {}

  void rescan() { files = scan(fs, *directory, names); }

  // For messages.
  std::string path(const std::string& name) const { return directory->path() + "/" + name; }

  FilePtr open(const std::string& name, Access access) {
    return fs.open_file(*directory, name, access);
  }

  Filesystem& fs;
  DirectoryPtr directory;
  const ImageNames& names;
  VolumeFiles files;  // as of the last scan
  NameChanges changes;
  // A clone that the worker has begun to make from a file in that state, if there is one.
  std::function<std::optional<Precaches::Clone>(const FileStatus& source)> take_clone;
  const Progress progress;  // told of what takes long; never null: clones go in pieces
};

}  // namespace qubes::storage

#endif
