// SPDX-License-Identifier: LGPL-2.1-or-later
// Operations on a pool, one after the other: each is noted before and after, and what it leaves is
// compared with what the oracle expects.
#ifndef QUBES_STORAGE_TESTVM_CRASH_SESSION_H
#define QUBES_STORAGE_TESTVM_CRASH_SESSION_H

#include <string>

#include "testvm/crash/history.h"
#include "testvm/crash/library.h"

namespace qubes::storage::crash {

class Session {
 public:
  // `marker` may be null.
  Session(std::string pool, History& history, Marker* marker);

  // False where the history has a complaint.
  bool run(const Act& act);
  Library& library() { return library_; }
  std::string message;  // of the last refusal

 private:
  void note(const std::string& mark);

  const std::string pool_;
  History& history_;
  Marker* const marker_;
  Library library_;
};

}  // namespace qubes::storage::crash

#endif
