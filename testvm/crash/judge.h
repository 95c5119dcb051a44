// SPDX-License-Identifier: LGPL-2.1-or-later
// Whoever knows from the marks of a recording what is owed after a crash.
#ifndef QUBES_STORAGE_TESTVM_CRASH_JUDGE_H
#define QUBES_STORAGE_TESTVM_CRASH_JUDGE_H

#include <memory>
#include <string>
#include <vector>

#include "testvm/crash/states.h"

namespace qubes::storage::crash {

class Judge {
 public:
  virtual ~Judge() = default;
  // How many marks there were when promises began; 0: never.
  virtual std::size_t ready_at() const = 0;
  // Complaints; empty: all is well. Of the recorded run itself:
  virtual std::string without_crash() const = 0;
  // Of the filesystem mounted on `root`, which is used and changed.
  virtual std::string after_crash(const CrashState& state, const std::string& root) const = 0;
};

// The first mark says which: volumes of a pool, or files.
std::unique_ptr<Judge> make_judge(const std::vector<std::string>& marks);

}  // namespace qubes::storage::crash

#endif
