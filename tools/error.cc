// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes errors, of the library and of the command, out of what is known of a failure.
#include "tools/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "tools/text.h"

namespace tool {
namespace {

std::string sentence(const std::string& step, const std::string& path, const std::string& reason) {
  if (path.empty()) return "cannot " + step + ": " + reason;
  return "cannot " + step + " '" + printable(path) + "': " + reason;
}

std::int32_t code_of_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return QUBES_STORAGE_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
      return QUBES_STORAGE_NO_SPACE;
    case EROFS:
      return QUBES_STORAGE_READ_ONLY;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return QUBES_STORAGE_NO_MEMORY;
    default:
      return QUBES_STORAGE_IO;
  }
}

}  // namespace

Error::Error(const qubes_storage_error* error)
    : std::runtime_error(qubes_storage_error_message(error)),
      code_(qubes_storage_error_code(error)),
      errno_value_(qubes_storage_error_errno(error)),
      step_(qubes_storage_error_step(error)),
      path_(qubes_storage_error_path(error)) {}

Error::Error(std::int32_t code, int errno_value, std::string step, std::string path,
             const std::string& reason)
    : std::runtime_error(sentence(step, path, reason)),
      code_(code),
      errno_value_(errno_value),
      step_(std::move(step)),
      path_(std::move(path)) {}

void throw_errno(int errno_value, std::string step, std::string path) {
  throw Error(code_of_errno(errno_value), errno_value, std::move(step), std::move(path),
              std::generic_category().message(errno_value));
}

}  // namespace tool
