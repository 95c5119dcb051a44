// SPDX-License-Identifier: LGPL-2.1-or-later
// Operations on a pool, one after the other: each is noted before and after, and what it leaves is
// compared with what the oracle expects.
#ifndef QUBES_STORAGE_TESTVM_CRASH_SESSION_H
#define QUBES_STORAGE_TESTVM_CRASH_SESSION_H

#include <deque>
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
  // Exports the committed state of this volume, if it has one, and looks at what was exported
  // earlier. False where one of them reads as something else than what was committed then.
  bool run_export(std::size_t volume, bool is_pinned);
  Library& library() { return library_; }
  std::string message;  // of the last refusal

 private:
  struct Exported {
    std::string vid;
    Descriptor file;
    simulation::Content content;
  };

  void note(const std::string& mark);

  const std::string pool_;
  History& history_;
  Marker* const marker_;
  Library library_;
  std::deque<Exported> exports_;  // pinned ones
};

}  // namespace qubes::storage::crash

#endif
