// SPDX-License-Identifier: LGPL-2.1-or-later
// What a file name means, once more: from docs/ON_DISK.md, with no code of the library. A name is
// taken apart loosely, put together again, and counts if that is the same name.
#ifndef QUBES_STORAGE_TESTS_FUZZ_NAME_ORACLE_H
#define QUBES_STORAGE_TESTS_FUZZ_NAME_ORACLE_H

#include <cstdint>
#include <string>

namespace qubes::storage::fuzz {

// `letter` is that of docs/ON_DISK.md: C D P I R T, or 0 for a foreign name.
struct Meaning {
  char letter = 0;
  std::string volume;
  std::uint64_t number = 0;  // of R
  std::int64_t seconds = 0;  // of R
};

Meaning meaning_of(const std::string& name);

}  // namespace qubes::storage::fuzz

#endif
