// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line, checked as far as it can be without the pool.
#ifndef QUBES_STORAGE_TOOLS_OPTIONS_H
#define QUBES_STORAGE_TOOLS_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tool {

struct Options {
  bool json = false;
  bool kernels = false;
  bool no_wait = false;

  std::string command;
  std::string pool;
  std::string vid;  // empty where the command has none

  // What kind of volume it is (none of the flags: origin, or what a kernels pool has).
  bool is_origin = false;
  bool is_volatile = false;
  bool is_snapshot = false;
  bool is_origin_snapshot = false;
  std::string source;
  std::optional<std::int32_t> revisions_to_keep;
  bool read_only = false;

  // The nominal size; what `resize` sets; what the data of `import` must come to.
  std::optional<std::uint64_t> size_bytes;

  bool no_reflink_check = false;
  bool allow_shrink = false;
  std::optional<std::int64_t> revision;
  std::optional<std::int32_t> keep;
  std::string file;                 // of import and export; "-" for the standard stream
  std::vector<std::string> others;  // of included-in
};

// Throws UsageError. Returns nothing where the command line asked for help or the version, which
// has then been written to `text`.
std::optional<Options> parse_options(int argc, char** argv, std::string& text);

}  // namespace tool

#endif
