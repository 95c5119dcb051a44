// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes that people make, as filesystems that make the library make them. Each was made by a
// peer (docs/PEER.md) or by an earlier draft.
#include <algorithm>

#include "tests/simulation/mutations.h"
#include "tests/support/forwarding_filesystem.h"

namespace qubes::storage::simulation {
namespace {

Role role_of(const std::string& name) {
  return info(intern(name)).role;
}

template <typename Mistake>
class OnFilesystem final : public Mutation {
 public:
  explicit OnFilesystem(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::shared_ptr<Filesystem> filesystem(std::shared_ptr<SimulatedFilesystem> fs,
                                         const Act&) const override {
    return std::make_shared<Mistake>(std::move(fs));
  }

 private:
  const std::string name_;
};

struct PruneBeforePublishing final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    if (role_of(to) == Role::clean && role_of(from) == Role::dirty) remove_oldest(directory);
    return inner().rename(directory, from, to);
  }
  void remove_oldest(const Directory& directory) {
    std::vector<std::pair<std::int64_t, std::string>> revisions;
    for (const std::string& name : inner().list(directory)) {
      if (role_of(name) == Role::revision) revisions.push_back({info(intern(name)).number, name});
    }
    std::sort(revisions.begin(), revisions.end());
    if (revisions.size() > 1) inner().unlink(directory, revisions.front().second);
  }
};

struct StalePrecacheTrusted final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::status;
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    auto found = inner().status(directory, name);
    if (!found || role_of(name) != Role::precache) return found;
    const std::string clean = info(intern(name)).volume + ".img";
    if (auto like = inner().status(directory, clean)) {
      found->mtime_ns = like->mtime_ns;
      found->size_bytes = like->size_bytes;
    }
    return found;
  }
};

struct SweptTooWide final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  std::vector<std::string> list(const Directory& directory) override {
    for (const std::string& name : inner().list(directory)) {
      if (name.find('~') != std::string::npos) inner().unlink(directory, name);
    }
    return inner().list(directory);
  }
};

struct NothingSwept final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  std::vector<std::string> list(const Directory& directory) override {
    auto names = inner().list(directory);
    std::erase_if(names, [](const auto& name) { return role_of(name) == Role::temporary; });
    return names;
  }
};

// A revision is made as the peer does, by copying.
struct RevisionByClone final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  void link(const Directory& from_directory, const std::string& from, const Directory& to_directory,
            const std::string& to) override {
    if (role_of(to) != Role::revision) return inner().link(from_directory, from, to_directory, to);
    FilePtr source = inner().open_file(from_directory, from, Access::read);
    FilePtr target = inner().create_unnamed(to_directory, to);
    inner().clone(*source, *target, nullptr);
    inner().link_unnamed(*target, to_directory, to);
  }
};

struct RemoveThenRename final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    FilePtr replaced = inner().unlink(directory, to);
    inner().rename(directory, from, to);
    return replaced;
  }
};

struct LinkThenRemove final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    FilePtr replaced = inner().unlink(directory, to);
    inner().link(directory, from, directory, to);
    inner().unlink(directory, from);
    return replaced;
  }
};

struct EverySessionCounts final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::status;
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    auto found = inner().status(directory, name);
    if (found && role_of(name) == Role::dirty) found->mtime_ns += 1;
    return found;
  }
};

// As if a write within one tick of the clock could not be.
struct MtimeAlwaysTrusted final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::status;
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    auto found = inner().status(directory, name);
    if (found) found->ctime_ns = found->mtime_ns + 2 * kTickNs;
    return found;
  }
};

struct EveryFilesystemIsXfs final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  FilesystemKind kind(const Directory&) override { return FilesystemKind::xfs; }
};

struct ReflinkAssumed final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  bool reflink_works(const Directory&, const Directory&) override { return true; }
  bool reflink_works(const Directory&, File&) override { return true; }
};

struct NoSyncOfFiles final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::sync;
  void sync(File&) override {}
};

struct NoSyncOfDirectories final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::sync;
  void sync(Directory&) override {}
};

struct SyncWhileUnnamed final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::sync;
  std::string link_temporary(File& file, const Directory& directory,
                             const std::string& final_name) override {
    inner().sync(file);
    return inner().link_temporary(file, directory, final_name);
  }
  void sync(File& file) override {
    // Of a new file: it was synced before.
    if (inner().status(file).link_count == 1 && is_new_) return;
    inner().sync(file);
  }
  FilePtr create_unnamed(const Directory& directory, const std::string& final_name) override {
    is_new_ = true;
    return inner().create_unnamed(directory, final_name);
  }
  FilePtr open_file(const Directory& directory, const std::string& name, Access access) override {
    is_new_ = false;
    return inner().open_file(directory, name, access);
  }
  bool is_new_ = false;
};

// The highest revision is overlooked, as where numbers are read as text or times decide.
struct NewestOverlooked final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  std::vector<std::string> list(const Directory& directory) override {
    auto names = inner().list(directory);
    auto newest = names.end();
    for (auto at = names.begin(); at != names.end(); ++at) {
      if (role_of(*at) != Role::revision) continue;
      if (newest == names.end() || info(intern(*at)).number > info(intern(*newest)).number) {
        newest = at;
      }
    }
    if (newest != names.end()) names.erase(newest);
    return names;
  }
};

struct NoLocks final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  bool try_lock(File&, LockMode) override { return false; }
};

struct LocksIgnored final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  bool try_lock(File&, LockMode) override { return true; }
};

// Sessions write to a second name of the committed state, not to a clone of it.
struct SessionIsALink final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  FilePtr rename(const Directory& directory, const std::string& from,
                 const std::string& to) override {
    if (role_of(to) != Role::dirty || role_of(from) == Role::clean) {
      return inner().rename(directory, from, to);
    }
    inner().unlink(directory, from);
    inner().link(directory, info(intern(to)).volume + ".img", directory, to);
    return nullptr;
  }
};

// Removing a session that was cut off, instead of keeping it.
struct SessionSwept final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  std::vector<std::string> list(const Directory& directory) override {
    auto names = inner().list(directory);
    for (const std::string& name : names) {
      if (role_of(name) == Role::dirty) inner().unlink(directory, name);
    }
    return inner().list(directory);
  }
};

// A snapshot starts from its precache whatever its source has become: as if the second name that it
// has were that of the source's present state, until it has made one.
struct SnapshotPinIgnored final : ForwardingFilesystem {
  using ForwardingFilesystem::ForwardingFilesystem;
  using ForwardingFilesystem::status;
  FilePtr open_file(const Directory& directory, const std::string& name, Access access) override {
    FilePtr file = inner().open_file(directory, name, access);
    if (role_of(name) == Role::clean) source_ = inner().status(*file).inode;
    return file;
  }
  std::optional<FileStatus> status(const Directory& directory, const std::string& name) override {
    auto found = inner().status(directory, name);
    if (!found || role_of(name) != Role::clean) return found;
    auto precache = inner().status(directory, info(intern(name)).volume + "-precache.img");
    if (precache && precache->mtime_ns == found->mtime_ns + 1) pinned_ = found->inode;
    if (found->inode == pinned_) found->inode = source_;
    return found;
  }
  std::uint64_t source_ = 0;
  std::uint64_t pinned_ = 0;  // the inode that is looked at as if it were the source's
};

template <typename Mistake>
void add(std::vector<std::unique_ptr<Mutation>>& mistakes, const char* name) {
  mistakes.push_back(std::make_unique<OnFilesystem<Mistake>>(std::string("mistake: ") + name));
}

}  // namespace

std::vector<std::unique_ptr<Mutation>> realistic_mistakes() {
  std::vector<std::unique_ptr<Mutation>> all;
  add<PruneBeforePublishing>(all, "the oldest revision is pruned before the rename publishes");
  add<StalePrecacheTrusted>(all, "a precache is never stale");
  add<SweptTooWide>(all, "everything with a ~ is swept");
  add<NothingSwept>(all, "temporaries are never swept");
  add<RevisionByClone>(all, "a revision is an unsynced clone");
  add<RemoveThenRename>(all, "the target is removed, then renamed to");
  add<LinkThenRemove>(all, "a rename is a link and an unlink");
  add<EverySessionCounts>(all, "a session without a write adds a revision");
  add<MtimeAlwaysTrusted>(all, "equal mtimes are trusted within one tick");
  add<EveryFilesystemIsXfs>(all, "every filesystem keeps the order of names");
  add<ReflinkAssumed>(all, "mtimes are trusted without reflink");
  add<NoSyncOfFiles>(all, "no file is ever synced");
  add<NoSyncOfDirectories>(all, "no directory is ever synced");
  add<SyncWhileUnnamed>(all, "new files are synced before they have a name");
  add<NewestOverlooked>(all, "the newest revision is overlooked");
  add<NoLocks>(all, "every lock is held by somebody");
  add<LocksIgnored>(all, "an import is swept though somebody holds it");
  add<SessionIsALink>(all, "a session is a link to the committed state");
  add<SessionSwept>(all, "a session found at the start is swept");
  add<SnapshotPinIgnored>(all, "a precache of a snapshot is never outdated");
  return all;
}

}  // namespace qubes::storage::simulation
