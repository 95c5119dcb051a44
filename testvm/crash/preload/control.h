// SPDX-License-Identifier: LGPL-2.1-or-later
// What the preloaded library offers to the program that it is in.
#ifndef QUBES_STORAGE_TESTVM_CRASH_PRELOAD_CONTROL_H
#define QUBES_STORAGE_TESTVM_CRASH_PRELOAD_CONTROL_H

#include <dlfcn.h>

namespace qubes::storage::crash {

// The mistake that the library makes from now on; empty: none.
using Plant = void(const char* mistake);
inline constexpr char kPlant[] = "crash_plant";

// Whether there is no noise from now on.
using Quiet = void(bool is_quiet);
inline constexpr char kQuiet[] = "crash_quiet";

// Null where nothing is preloaded.
template <typename Function>
Function* preloaded(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

}  // namespace qubes::storage::crash

#endif
