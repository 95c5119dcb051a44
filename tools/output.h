// SPDX-License-Identifier: LGPL-2.1-or-later
// What the command answers: for people or as JSON, whole and checked, before it waits for anything.
#ifndef QUBES_STORAGE_TOOLS_OUTPUT_H
#define QUBES_STORAGE_TOOLS_OUTPUT_H

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tools/error.h"

namespace tool {

using Json = nlohmann::ordered_json;

// null where it is unknown.
Json json_size(std::uint64_t bytes);
Json json_text(std::string_view text);

// Writes all of `text` to a descriptor. Throws what the kernel says.
void write_all(int fd, std::string_view text);

class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  // The rest goes to standard error: standard output carries an image.
  void leave_standard_output();

  // Says one answer, in the form that was asked for. `text` ends with a newline.
  void answer(const std::string& text, const Json& json) const;

  // Says on standard error why there is none. Never throws: there is nobody left to tell.
  void failure(const Error& error) const noexcept;

 private:
  bool json_;
  int fd_ = 1;
};

}  // namespace tool

#endif
