// SPDX-License-Identifier: LGPL-2.1-or-later
// A thread that no signal of the embedding program is delivered to.
#ifndef QUBES_STORAGE_SRC_FS_THREAD_H
#define QUBES_STORAGE_SRC_FS_THREAD_H

#include <functional>
#include <thread>

namespace qubes::storage {

std::thread start_thread(std::function<void()> body);

}  // namespace qubes::storage

#endif
