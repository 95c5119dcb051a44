// SPDX-License-Identifier: LGPL-2.1-or-later
// The names on disk (docs/ON_DISK.md): which there are, and which belongs to what.
#ifndef QUBES_STORAGE_SRC_NAMES_H
#define QUBES_STORAGE_SRC_NAMES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qubes::storage {

// A volume's place in its pool: POOL/prefix/vm/, and its name there.
struct Vid {
  std::string prefix;
  std::string vm;
  std::string name;

  std::string text() const { return prefix + "/" + vm + "/" + name; }
};

// Throws invalid where `text` is not PREFIX/VM/NAME with an allowed prefix, or could leave the
// pool, or where NAME would make its files look like another volume's.
Vid parse_vid(std::string_view text, const std::vector<std::string>& allowed_prefixes);

// Throws invalid where `part` cannot be one component of a path. `what` names it in the message.
void check_component(std::string_view part, std::string_view what);

// Whether volumes may have this name: the part of a vid that file names are made of.
bool is_volume_name(std::string_view name);

// No vid can hold one.
bool has_control_character(std::string_view text);

// The fixed names of one volume's files.
struct ImageNames {
  explicit ImageNames(const std::string& volume_name);

  std::string volume;
  std::string clean;     // C: the committed state
  std::string dirty;     // D: the running session
  std::string precache;  // P: a clone of C made ahead
  std::string import;    // I: an import under way
};

// A revision's name holds its number and the mtime of its content, in whole seconds of UTC.
struct RevisionName {
  std::uint64_t number = 0;
  std::int64_t created_seconds = 0;
};

std::string revision_file_name(const std::string& volume_name, const RevisionName& revision);

// Whole seconds, within the years that a revision's name can hold (1970 to 9999).
std::int64_t revision_seconds(std::int64_t mtime_ns);

// `2026-11-23T04:05:06Z`
std::string format_utc(std::int64_t seconds);

// What a file name in a VM's directory is. Everything that is not exactly one of ours is foreign.
struct FileName {
  enum class Role { clean, dirty, precache, import, revision, temporary };
  Role role;
  std::string volume;
  RevisionName revision;  // where role is revision
};

std::optional<FileName> parse_file_name(std::string_view name);

}  // namespace qubes::storage

#endif
