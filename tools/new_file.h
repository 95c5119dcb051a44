// SPDX-License-Identifier: LGPL-2.1-or-later
// A file that appears, or replaces another, whole and durable or not at all.
#ifndef QUBES_STORAGE_TOOLS_NEW_FILE_H
#define QUBES_STORAGE_TOOLS_NEW_FILE_H

#include <cstdint>
#include <string>

namespace tool {

class NewFile {
 public:
  // Makes a temporary file, mode 0600, beside `path`. A symbolic link at `path` is followed; what
  // is there and is no regular file is refused.
  explicit NewFile(const std::string& path);

  // Removes the temporary, unless it has been published.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int fd() const { return fd_; }
  std::uint64_t size_bytes() const;

  // Syncs the file, renames it to its path and syncs the directory.
  void publish();

 private:
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace tool

#endif
