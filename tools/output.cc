// SPDX-License-Identifier: LGPL-2.1-or-later
// What the command answers: for people or as JSON, whole and checked, before it waits for anything.
#include "tools/output.h"

#include <qubes/storage.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "tools/text.h"

namespace tool {
namespace {

constexpr int kIndent = 2;

// Names on disk are bytes, not always UTF-8; what is not becomes U+FFFD.
std::string dump(const Json& json) {
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json json_of(const Error& error) {
  Json body;
  body["code"] = qubes_storage_code_name(error.code());
  body["errno"] = error.errno_value();
  body["step"] = error.step();
  body["path"] = error.path();
  body["message"] = error.what();
  return Json{{"error", body}};
}

}  // namespace

Json json_size(std::uint64_t bytes) {
  return bytes == QUBES_STORAGE_UNKNOWN ? Json() : Json(bytes);
}

Json json_text(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw_errno(errno, fd == STDOUT_FILENO ? "write standard output" : "write standard error",
                  "");
    }
  }
}

void Output::leave_standard_output() {
  fd_ = STDERR_FILENO;
}

void Output::answer(const std::string& text, const Json& json) const {
  write_all(fd_, json_ ? dump(json) : text);
}

void Output::failure(const Error& error) const noexcept {
  try {
    write_all(STDERR_FILENO, json_ ? dump(json_of(error))
                                   : "qubes-storage: " + printable(error.what()) + " (" +
                                         qubes_storage_code_name(error.code()) + ")\n");
  } catch (const std::exception&) {
    // The exit status still tells.
  }
}

}  // namespace tool
