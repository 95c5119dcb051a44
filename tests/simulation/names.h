// SPDX-License-Identifier: LGPL-2.1-or-later
// File names as small numbers, and what each means: read from docs/ON_DISK.md, not from the
// library.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_NAMES_H
#define QUBES_STORAGE_TESTS_SIMULATION_NAMES_H

#include <cstdint>
#include <string>

namespace qubes::storage::simulation {

using NameId = std::uint16_t;  // 0 is no name

enum class Role { clean, dirty, precache, import, revision, temporary, foreign };

struct NameInfo {
  std::string text;
  Role role = Role::foreign;
  std::string volume;        // empty if foreign
  std::int64_t number = 0;   // of a revision
  std::int64_t seconds = 0;  // of a revision: since the epoch
};

// One number for each text, for as long as the process lives. Not thread-safe.
NameId intern(const std::string& text);
const NameInfo& info(NameId name);

// All numbers that were given mean nothing from here on: for who makes names without end.
void forget_names();

// The name of a revision of the same volume with another number and time.
NameId renamed_revision(NameId name, std::int64_t number, std::int64_t seconds);

}  // namespace qubes::storage::simulation

#endif
