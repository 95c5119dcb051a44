// SPDX-License-Identifier: LGPL-2.1-or-later
// The variables of the environment that bound the tests.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_SETTINGS_H
#define QUBES_STORAGE_TESTS_SUPPORT_SETTINGS_H

#include <chrono>
#include <cstdlib>

namespace qubes::storage::test {

// How long a test goes on that could go on for ever.
inline std::chrono::seconds duration(int otherwise) {
  const char* const seconds = std::getenv("QUBES_STORAGE_TEST_SECONDS");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : otherwise);
}

// Whether the processor is emulated: an operation takes long with a fraction of the work.
inline bool is_slow() {
  const char* const slowness = std::getenv("QUBES_STORAGE_TEST_SLOWNESS");
  return slowness != nullptr && std::atof(slowness) > 1;
}

}  // namespace qubes::storage::test

#endif
