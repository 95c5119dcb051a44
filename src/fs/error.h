// SPDX-License-Identifier: LGPL-2.1-or-later
// The one exception type of the library. Every layer throws it; c-api/ turns it into a code.
#ifndef QUBES_STORAGE_SRC_FS_ERROR_H
#define QUBES_STORAGE_SRC_FS_ERROR_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace qubes::storage {

// The values are those of the public header (c-api/error.cc checks that they agree).
enum class Code : std::int32_t {
  ok = 0,
  invalid = -1,
  not_found = -2,
  exists = -3,
  busy = -4,
  dirty = -5,
  read_only = -6,
  not_supported = -7,
  no_space = -8,
  io = -9,
  corrupt = -10,
  offline = -11,
  cancelled = -12,
  timeout = -13,
  no_memory = -14,
  internal = -15,
  unknown_outcome = -16,
};

class Error : public std::runtime_error {
 public:
  // `step` is what was being done ("sync directory"), `path` on what; `reason` completes the
  // sentence. `errno_value` is 0 where the kernel had no part in it.
  Error(Code code, int errno_value, std::string step, std::string path, std::string_view reason);

  Code code() const { return code_; }
  int errno_value() const { return errno_value_; }
  const std::string& step() const { return step_; }
  const std::string& path() const { return path_; }

 private:
  Code code_;
  int errno_value_;
  std::string step_;
  std::string path_;
};

// A refusal that the kernel had no part in.
[[noreturn]] void refuse(Code code, std::string step, std::string path, std::string_view reason);

// The kernel's word `errno_value`, with the code that stands for it.
[[noreturn]] void throw_errno(int errno_value, std::string step, std::string path);

Code code_of_errno(int errno_value);

// `path` in quotes, with control characters made visible, for messages.
std::string quoted(std::string_view path);

}  // namespace qubes::storage

#endif
