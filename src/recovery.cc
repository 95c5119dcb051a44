// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/recovery.h"

#include <utility>

namespace qubes::storage {
namespace {

class Sweep {
 public:
  Sweep(Images& at, std::vector<Finding>* findings) : at_(at), findings_(findings) {}

  void run() {
    temporaries();
    abandoned_import();
    clean_under_two_names();
    second_names();
    missing_clean();
    // A name of a state must not come back beside what the operation makes of that state.
    if (states_changed_) at_.changes.barrier();
    stale_precache();
    look_again();
  }

 private:
  // What was removed is not there for the next to find.
  void look_again() {
    if (changed_) at_.rescan();
    changed_ = false;
  }

  void note(const std::string& found, const std::string& action) {
    changed_ = true;
    if (findings_ != nullptr) findings_->push_back({"", found, action});
  }

  void note_state(const std::string& found, const std::string& action) {
    states_changed_ = true;
    note(found, action);
  }

  // Nothing was published under a temporary name yet.
  void temporaries() {
    for (const std::string& name : at_.files.temporaries) {
      at_.changes.unlink(name);
      note("temporary " + name, "removed");
    }
  }

  // Who makes an import holds its lock until it is committed or given up; the lock dies with the
  // process.
  void abandoned_import() {
    if (!at_.files.import) return;
    FilePtr file = at_.open(at_.names.import, Access::read);
    if (!at_.fs.try_lock(*file, LockMode::exclusive)) return;
    at_.changes.unlink(at_.names.import);
    note("import that nobody holds " + at_.names.import, "removed");
  }

  // A rename of one to the other, of which the filesystem kept both names. Either order of commit
  // and start leaves the content under the clean name.
  void clean_under_two_names() {
    if (!at_.files.clean || !at_.files.dirty) return;
    if (!at_.files.clean->same_inode(*at_.files.dirty)) return;
    at_.changes.unlink(at_.names.dirty);
    note_state("session that is the committed state itself " + at_.names.dirty,
               "removed that name");
  }

  // A commit or a revert had linked the old state as a revision, and published nothing yet; or a
  // revert had published, and the filesystem kept both names of the rename. Where one was cut off,
  // and the next as well, a revision can also be a second name of the session or of another.
  void second_names() {
    const auto& revisions = at_.files.revisions;
    for (std::size_t i = 0; i < revisions.size(); ++i) {
      const std::string& name = revisions[i].file_name;
      const std::string first = first_name(i);
      if (first.empty()) continue;
      at_.changes.unlink(name);
      std::string found = "revision that is the ";
      found.append(first).append(" itself ").append(name);
      note_state(found, "removed that name");
    }
  }

  std::string first_name(std::size_t index) const {
    const auto& revisions = at_.files.revisions;
    const FileStatus& own = revisions[index].status;
    if (at_.files.is_clean(revisions[index])) return "committed state";
    if (at_.files.dirty && at_.files.dirty->same_inode(own)) return "session";
    for (std::size_t i = 0; i < index; ++i) {
      if (revisions[i].status.same_inode(own)) return "revision " + revisions[i].file_name;
    }
    return "";
  }

  // The rename that publishes can lose the clean name on Btrfs (docs/CRASH_MODEL.md); the newest
  // revision is what it named. The session that was being committed stays one.
  void missing_clean() {
    look_again();
    if (at_.files.clean || at_.files.revisions.empty()) return;
    const std::string& name = at_.files.revisions.back().file_name;
    at_.changes.rename(name, at_.names.clean);
    note_state("no committed state", "made the newest revision the committed state again: " + name);
  }

  // Not where a precache is all there is: then it may be the only copy of something.
  void stale_precache() {
    look_again();
    const VolumeFiles& files = at_.files;
    if (!files.precache || !files.any()) return;
    if (files.precache_is_valid() || files.precache_is_of_snapshot()) return;
    at_.changes.unlink(at_.names.precache);
    note("stale precache " + at_.names.precache, "removed");
  }

  Images& at_;
  std::vector<Finding>* findings_;
  bool changed_ = false;         // since it was looked at
  bool states_changed_ = false;  // names of C, D or R
};

}  // namespace

void sweep(Images& at, std::vector<Finding>* findings) {
  Sweep(at, findings).run();
}

}  // namespace qubes::storage
