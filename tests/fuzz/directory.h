// SPDX-License-Identifier: LGPL-2.1-or-later
// A simulated pool with whatever may lie in the directory of a VM, and what became of it.
#ifndef QUBES_STORAGE_TESTS_FUZZ_DIRECTORY_H
#define QUBES_STORAGE_TESTS_FUZZ_DIRECTORY_H

#include <map>
#include <string>

#include "tests/fuzz/bytes.h"
#include "tests/fuzz/name_oracle.h"
#include "tests/simulation/simulated_filesystem.h"

namespace qubes::storage::fuzz {

inline constexpr const char* kVm = "/pool/appvms/w";
inline constexpr const char* kSourceVid = "vm-templates/t/root";

// Names, kinds, sizes, times and second names as the input says.
simulation::Disk make_disk(Bytes& input);

struct Found {
  Meaning meaning;
  simulation::InodeNumber inode = 0;
  bool is_directory = false;
  simulation::Content content;
  std::int64_t mtime_ns = 0;

  bool is_state() const {
    return !is_directory &&
           (meaning.letter == 'C' || meaning.letter == 'D' || meaning.letter == 'R');
  }
  bool same(const Found& other) const {
    return inode == other.inode && is_directory == other.is_directory && content == other.content &&
           mtime_ns == other.mtime_ns;
  }
};

// By name.
using Listing = std::map<std::string, Found>;
Listing list_directory(const simulation::Disk& disk, const std::string& path);

// Prints it where FUZZ_TRACE is set.
void trace(const std::string& title, const Listing& listing);

const Found* find_letter(const Listing& listing, const std::string& volume, char letter);

// Each of these ends the program where it does not hold.

// What is not a file of `volume` is as it was: foreign names, and those of other volumes. Of an
// empty `volume`: the foreign names. `session` is an inode that is written, 0 for none.
void require_others_untouched(const Listing& before, const Listing& after,
                              const std::string& volume, simulation::InodeNumber session,
                              const std::string& what);
// Every state of `volume` is still one under some name, or a copy of it is: a commit or a revert
// adds none where there is one. Of an empty `volume`: of all volumes, and without copies.
void require_states_kept(const Listing& before, const Listing& after, const std::string& volume,
                         const std::string& what);

}  // namespace qubes::storage::fuzz

#endif
