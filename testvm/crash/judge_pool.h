// SPDX-License-Identifier: LGPL-2.1-or-later
#ifndef QUBES_STORAGE_TESTVM_CRASH_JUDGE_POOL_H
#define QUBES_STORAGE_TESTVM_CRASH_JUDGE_POOL_H

#include "testvm/crash/history.h"
#include "testvm/crash/judge.h"

namespace qubes::storage::crash {

struct Recovered {
  std::vector<simulation::State> found;  // each volume
  std::string complaint;                 // empty: it is what was promised
  std::string report;                    // what `recover` says
};

// Has the library recover the pool, and judges what is there, if the power may have gone at any of
// these moments.
Recovered recover_and_judge(const History& history, const std::vector<Moment>& moments,
                            const std::string& pool);

// The library's pool, in the directory `pool` of the filesystem.
class PoolJudge final : public Judge {
 public:
  explicit PoolJudge(const std::vector<std::string>& marks);
  std::size_t ready_at() const override { return history_.ready_at(); }
  std::string without_crash() const override { return history_.complaint(); }
  std::string after_crash(const CrashState& state, const std::string& root) const override;

 private:
  const History history_;
};

}  // namespace qubes::storage::crash

#endif
