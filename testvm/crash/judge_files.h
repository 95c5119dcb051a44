// SPDX-License-Identifier: LGPL-2.1-or-later
// The rules for other software, which replaces files: a file holds one whole version, the one that
// was acknowledged last or the one that is being put there. Marks:
//
//   file NAME        there is such a file; before `ready`
//   ready            from here on it promises something
//   begin NAME N     version N (1 to 239, rising) is being put there
//   done NAME N      it is there, whatever happens now
//   end
//
// A version is three chunks with its number stamped into each sector (`crash-file write NAME N`).
#ifndef QUBES_STORAGE_TESTVM_CRASH_JUDGE_FILES_H
#define QUBES_STORAGE_TESTVM_CRASH_JUDGE_FILES_H

#include <map>

#include "tests/simulation/disk.h"
#include "testvm/crash/judge.h"

namespace qubes::storage::crash {

class FilesJudge final : public Judge {
 public:
  explicit FilesJudge(const std::vector<std::string>& marks);
  std::size_t ready_at() const override { return ready_at_; }
  std::string without_crash() const override { return ""; }
  std::string after_crash(const CrashState& state, const std::string& root) const override;

 private:
  struct Versions {
    simulation::Symbol done = 0, begun = 0;  // 0: none
  };
  using Files = std::map<std::string, Versions>;

  void add(const std::string& mark);
  std::string judge(const std::string& path, const Versions& versions) const;

  std::vector<Files> owed_;  // by number of marks
  std::size_t ready_at_ = 0;
};

}  // namespace qubes::storage::crash

#endif
