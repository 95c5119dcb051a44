// SPDX-License-Identifier: LGPL-2.1-or-later
// Turns refusals and the kernel's errno into the one exception type and a sentence to read.
#include "src/fs/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace qubes::storage {
namespace {

std::string sentence(const std::string& step, const std::string& path, std::string_view reason) {
  std::string text = "cannot " + step;
  if (!path.empty()) text += ' ' + quoted(path);
  return text.append(": ").append(reason);
}

std::string errno_text(int errno_value) {
  char buffer[128];
  // The GNU form: returns the text, which need not be in the buffer. strerror is not thread-safe.
  return strerror_r(errno_value, buffer, sizeof buffer);
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// The length of the valid, printable UTF-8 sequence of two bytes or more at the front; else 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return 0;
  }
  const unsigned char second = byte(1);
  if (lead == 0xC2 && second < 0xA0) return 0;   // C1 control characters
  if (lead == 0xE0 && second < 0xA0) return 0;   // overlong
  if (lead == 0xED && second >= 0xA0) return 0;  // surrogates
  if (lead == 0xF0 && second < 0x90) return 0;   // overlong
  if (lead == 0xF4 && second >= 0x90) return 0;  // above U+10FFFF
  // U+2028 to U+202E (line separators, overrides of the writing direction) and U+2066 to U+2069
  // can make a message look like another one.
  if (lead == 0xE2 && second == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE) return 0;
  if (lead == 0xE2 && second == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9) return 0;
  return length;
}

void append_hex(std::string& text, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

}  // namespace

Error::Error(Code code, int errno_value, std::string step, std::string path,
             std::string_view reason)
    : std::runtime_error(sentence(step, path, reason)),
      code_(code),
      errno_value_(errno_value),
      step_(std::move(step)),
      path_(std::move(path)) {}

void refuse(Code code, std::string step, std::string path, std::string_view reason) {
  throw Error(code, 0, std::move(step), std::move(path), reason);
}

void throw_errno(int errno_value, std::string step, std::string path) {
  throw Error(code_of_errno(errno_value), errno_value, std::move(step), std::move(path),
              errno_text(errno_value));
}

Code code_of_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT:
      return Code::not_found;
    case EEXIST:
      return Code::exists;
    case ENOSPC:
    case EDQUOT:
      return Code::no_space;
    case EBUSY:
    case ETXTBSY:
    case EWOULDBLOCK:
      return Code::busy;
    case EROFS:
      return Code::read_only;
    case EOPNOTSUPP:
    case ENOTTY:
    case ENOSYS:
    case EXDEV:
      return Code::not_supported;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Code::no_memory;
    case EFBIG:
    case EINVAL:
    case ENAMETOOLONG:
    case EOVERFLOW:
      return Code::invalid;
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
      return Code::corrupt;
    default:
      return Code::io;
  }
}

std::string quoted(std::string_view path) {
  std::string text = "'";
  while (!path.empty()) {
    const auto byte = static_cast<unsigned char>(path.front());
    std::size_t taken = 1;
    if (byte == '\\' || byte == '\'') {
      text += {'\\', path.front()};
    } else if (byte >= ' ' && byte < 0x7F) {
      text += path.front();
    } else if (const std::size_t length = utf8_length(path); length > 0) {
      text += path.substr(0, length);
      taken = length;
    } else {
      append_hex(text, byte);
    }
    path.remove_prefix(taken);
  }
  return text += '\'';
}

}  // namespace qubes::storage
