// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the caller wants to read what nobody waits for: work in the background, done or failed.
#ifndef QUBES_STORAGE_SRC_LOG_H
#define QUBES_STORAGE_SRC_LOG_H

#include <functional>
#include <string>

namespace qubes::storage {

enum class LogLevel { warning, info };

// Called from any thread. Null where nobody listens.
using Log = std::function<void(LogLevel level, const std::string& message)>;

}  // namespace qubes::storage

#endif
