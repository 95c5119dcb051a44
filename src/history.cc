// SPDX-License-Identifier: LGPL-2.1-or-later
#include "src/history.h"

#include <algorithm>
#include <vector>

#include "src/fs/error.h"

namespace qubes::storage {
namespace {

constexpr std::int64_t kMtimeTrustNs = 2'000'000'000;

// False where it cannot be told: then the states count as two, and both are kept.
bool same_content(Images& at, const std::string& a, const std::string& b) {
  try {
    FilePtr first = at.open(a, Access::read);
    FilePtr second = at.open(b, Access::read);
    return at.fs.same_content(*first, *second);
  } catch (const Error&) {
    return false;
  }
}

// Whether D was made by sharing the blocks of C. Two new files would not tell: the directory may
// have got another attribute than C has (chattr +C on Btrfs), and then D is a copy.
bool reflink_works(Images& at) {
  try {
    FilePtr clean = at.open(at.names.clean, Access::read);
    return at.fs.reflink_works(*at.directory, *clean);
  } catch (const Error&) {
    return false;  // a full filesystem
  }
}

// The peer makes a revision by copying the clean image before it publishes; one that was cut off
// leaves that copy. Its name holds the mtime of what it copies, so almost always the first test
// settles it.
bool holds_clean_content(Images& at, const Revision& revision) {
  const FileStatus& clean = *at.files.clean;
  if (revision.status.same_inode(clean)) return true;
  if (revision.name.created_seconds != revision_seconds(clean.mtime_ns)) return false;
  if (revision.status.size_bytes != clean.size_bytes) return false;
  return same_content(at, revision.file_name, at.names.clean);
}

bool clean_is_kept_already(Images& at) {
  return !at.files.revisions.empty() && holds_clean_content(at, at.files.revisions.back());
}

}  // namespace

std::string link_clean_as_revision(Images& at) {
  if (!at.files.clean || clean_is_kept_already(at)) return "";
  const RevisionName next{at.files.next_revision_number(),
                          revision_seconds(at.files.clean->mtime_ns)};
  std::string name = revision_file_name(at.names.volume, next);
  at.changes.link(at.names.clean, name);
  return name;
}

bool clean_may_get_lost(Images& at) {
  const auto& clean = at.files.clean;
  if (at.changes.keep_order() || !clean || clean->link_count == 1) return false;
  const std::vector<std::string> names = at.fs.list(*at.directory);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    if (name == at.names.clean) return false;
    const auto found = at.fs.status(*at.directory, name);
    return found && found->same_inode(*clean);
  });
}

// The mtime tells, as for the precache: D was made with that of C. Two cases in which it does not,
// and the content is compared: D may have been written within one tick of the clock after C, if its
// ctime, which no one can set, is as near; and where a session is not a reflink, its blocks are
// written in place, so a power cut can keep them and lose the mtime. Only a revision hangs on it: D
// is committed in any case.
bool session_is_unchanged(Images& at) {
  const auto& clean = at.files.clean;
  const auto& dirty = at.files.dirty;
  if (!clean || !dirty) return false;
  if (dirty->size_bytes != clean->size_bytes || dirty->mtime_ns != clean->mtime_ns) return false;
  const bool within_a_tick = dirty->mtime_ns > dirty->ctime_ns - kMtimeTrustNs;
  if (!within_a_tick && reflink_works(at)) return true;
  return same_content(at, at.names.dirty, at.names.clean);
}

const Revision* newest_other_revision(Images& at) {
  const auto& revisions = at.files.revisions;
  for (auto revision = revisions.rbegin(); revision != revisions.rend(); ++revision) {
    if (!at.files.clean || !holds_clean_content(at, *revision)) return &*revision;
  }
  return nullptr;
}

}  // namespace qubes::storage
