// SPDX-License-Identifier: LGPL-2.1-or-later
// The one exception type of the command: what a qubes_storage_error says, or the command itself.
#ifndef QUBES_STORAGE_TOOLS_ERROR_H
#define QUBES_STORAGE_TOOLS_ERROR_H

#include <qubes/storage.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace tool {

class Error : public std::runtime_error {
 public:
  // Copies what `error` says, so that it need not live as long.
  explicit Error(const qubes_storage_error* error);

  // A failure of the command's own. `step` is what was being done ("write output").
  Error(std::int32_t code, int errno_value, std::string step, std::string path,
        const std::string& reason);

  std::int32_t code() const { return code_; }
  int errno_value() const { return errno_value_; }
  const std::string& step() const { return step_; }
  const std::string& path() const { return path_; }

 private:
  std::int32_t code_;
  int errno_value_;
  std::string step_;
  std::string path_;
};

// A command line that can never be right: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What the kernel said to a call of the command's own, with the code that stands for it.
[[noreturn]] void throw_errno(int errno_value, std::string step, std::string path);

}  // namespace tool

#endif
