// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a command and collects what it says; runs a function in a child process. For tests only: the
// library starts no processes.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_PROCESS_H
#define QUBES_STORAGE_TESTS_SUPPORT_PROCESS_H

#include <functional>
#include <string>
#include <vector>

namespace qubes::storage::test {

struct ProcessResult {
  int status = -1;  // the exit status; 128 + N after signal N; 127 if it could not be started
  std::string output;
  std::string errors;
};

// Standard input is /dev/null. Throws std::runtime_error only where the machine is at its end.
ProcessResult run(const std::vector<std::string>& command);

// The output without its last newline; throws std::runtime_error unless the status is 0.
std::string run_checked(const std::vector<std::string>& command);

// Runs `body` in a fork of this process; whether it returned true (and threw nothing).
bool true_in_child(const std::function<bool()>& body);

}  // namespace qubes::storage::test

#endif
