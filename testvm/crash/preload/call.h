// SPDX-License-Identifier: LGPL-2.1-or-later
// A system call of the program under test that makes something durable or changes names.
#ifndef QUBES_STORAGE_TESTVM_CRASH_PRELOAD_CALL_H
#define QUBES_STORAGE_TESTVM_CRASH_PRELOAD_CALL_H

#include <linux/fs.h>

#include <functional>
#include <string>

namespace qubes::storage::crash {

enum class CallKind { sync_file, sync_directory, link, rename, unlink, clone };

struct Call {
  CallKind kind;
  std::string directory;  // where the name is that is changed, or that of the file that is synced
  std::string from;       // the file that is synced, cloned into, removed or renamed
  std::string to;         // the new name of a link or rename
  int target = -1;        // of a clone
  file_clone_range range = {};  // of its source
};

using Perform = std::function<long()>;  // a system call: -1 and errno

// Makes the call with the mistake that $CRASH_MISTAKE names, or without one.
long perform_mistaken(const Call& call, const Perform& perform);

// Whether a mistake is planted, and this is the address of code that makes it: that of the library,
// and not of the program that judges it. Where the library is not loaded, everybody's.
bool is_mistaken(const void* caller);
bool is_planted(const char* mistake);
// Before a file that has no name yet gets one.
void before_naming(int fd);

bool ends_with(const std::string& text, const std::string& end);
std::string path_of(int fd);

// What a neighbour does before or after the call, as $CRASH_NOISE says.
enum class When { before, after };
void make_noise(const Call& call, When when);

}  // namespace qubes::storage::crash

#endif
