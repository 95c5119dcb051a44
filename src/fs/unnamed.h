// SPDX-License-Identifier: LGPL-2.1-or-later
// Files that have no name until they are complete, and what stands in for them where the
// filesystem has none.
#ifndef QUBES_STORAGE_SRC_FS_UNNAMED_H
#define QUBES_STORAGE_SRC_FS_UNNAMED_H

#include <string>

#include "src/fs/descriptor.h"

namespace qubes::storage {

// A name that goes when this object does, unless it was forgotten.
class OwnedName {
 public:
  OwnedName() = default;
  OwnedName(UniqueFd directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {}
  OwnedName(OwnedName&& other) noexcept
      : directory_(std::move(other.directory_)), name_(std::exchange(other.name_, {})) {}
  OwnedName& operator=(OwnedName&&) = delete;
  ~OwnedName();

  bool empty() const { return name_.empty(); }
  const std::string& name() const { return name_; }
  std::string forget() { return std::exchange(name_, {}); }

 private:
  UniqueFd directory_;
  std::string name_;
};

struct UnnamedFile {
  UniqueFd fd;
  OwnedName fallback;  // empty for a file that really has no name
};

// Makes an empty file, mode 0600, open for reading and writing. `path` is for messages.
UnnamedFile create_unnamed_file(int directory, const std::string& final_name,
                                const std::string& path);

// The second half of it, on its own for the tests: `FINAL~XXXXXXXX`, not taken before.
UnnamedFile create_named_file(int directory, const std::string& final_name,
                              const std::string& path);

// Gives it a temporary name and returns that. The name then is the caller's to remove.
std::string link_under_temporary_name(UnnamedFile& file, int directory,
                                      const std::string& final_name, const std::string& path);

// Gives it this name; throws exists where that is taken.
void link_under_name(UnnamedFile& file, int directory, const std::string& name,
                     const std::string& path);

}  // namespace qubes::storage

#endif
