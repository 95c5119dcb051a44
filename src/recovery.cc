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
    unpublished_revisions();
    missing_clean();
    stale_precache();
    // What was cleared must not come back under what the operation builds on it.
    if (changed_) at_.changes.barrier();
    if (changed_) at_.rescan();
  }

 private:
  void note(const std::string& found, const std::string& action) {
    changed_ = true;
    if (findings_ != nullptr) findings_->push_back({"", found, action});
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
    note("session that is the committed state itself " + at_.names.dirty, "removed that name");
  }

  // A commit or a revert had linked the old state as a revision, and published nothing yet; or a
  // revert had published, and the filesystem kept both names of the rename.
  void unpublished_revisions() {
    for (const Revision& revision : at_.files.revisions) {
      if (!at_.files.is_clean(revision)) continue;
      at_.changes.unlink(revision.file_name);
      note("revision that is the committed state itself " + revision.file_name,
           "removed that name");
    }
  }

  // The rename that publishes can lose the clean name on Btrfs (docs/CRASH_MODEL.md); the newest
  // revision is what it named. The session that was being committed stays one.
  void missing_clean() {
    if (at_.files.clean || at_.files.revisions.empty()) return;
    const std::string& name = at_.files.revisions.back().file_name;
    at_.changes.rename(name, at_.names.clean);
    note("no committed state", "made the newest revision the committed state again: " + name);
  }

  // Not where a precache is all there is: then it may be the only copy of something.
  void stale_precache() {
    if (changed_) at_.rescan();
    if (!at_.files.precache || at_.files.precache_is_valid() || !at_.files.any()) return;
    at_.changes.unlink(at_.names.precache);
    note("stale precache " + at_.names.precache, "removed");
  }

  Images& at_;
  std::vector<Finding>* findings_;
  bool changed_ = false;
};

}  // namespace

void sweep(Images& at, std::vector<Finding>* findings) {
  Sweep(at, findings).run();
}

}  // namespace qubes::storage
