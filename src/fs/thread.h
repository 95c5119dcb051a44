// SPDX-License-Identifier: LGPL-2.1-or-later
// A thread that no signal of the embedding program is delivered to, and which process this is.
#ifndef QUBES_STORAGE_SRC_FS_THREAD_H
#define QUBES_STORAGE_SRC_FS_THREAD_H

#include <functional>
#include <thread>

namespace qubes::storage {

std::thread start_thread(std::function<void()> body);

// Another one in a forked child, which has copies of everything but of the threads.
int this_process();

}  // namespace qubes::storage

#endif
