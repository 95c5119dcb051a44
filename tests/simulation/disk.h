// SPDX-License-Identifier: LGPL-2.1-or-later
// A filesystem as a value: what is in memory, what is durable, and what is on its way
// (docs/CRASH_MODEL.md). Knows nothing of the library. Files are a few blocks, each the symbol of
// what was written there last.
#ifndef QUBES_STORAGE_TESTS_SIMULATION_DISK_H
#define QUBES_STORAGE_TESTS_SIMULATION_DISK_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/names.h"

namespace qubes::storage::simulation {

inline constexpr std::uint64_t kBlockBytes = 4096;
inline constexpr std::size_t kBlocksMax = 3;
inline constexpr std::int64_t kTickNs = 3'000'000'000;  // more than the library calls near
inline constexpr std::int64_t kFirstTimeNs = 1'700'000'000'000'000'000;

using InodeNumber = std::uint16_t;  // 0 is none
inline constexpr InodeNumber kRoot = 1;
using Symbol = std::uint8_t;  // 0 is a block of zeros

struct Content {
  std::uint8_t size_blocks = 0;
  std::array<Symbol, kBlocksMax> blocks{};  // zeros beyond the size

  bool operator==(const Content&) const = default;
  std::string text() const;  // "[1 1]"
};

Content filled(std::uint8_t size_blocks, Symbol symbol);
Content resized(Content content, std::uint8_t size_blocks);

enum class LostTarget { never, linked, always };

struct CrashModel {
  std::string name;
  bool ordered = true;
  bool reflink = true;
  bool unnamed_sync_counts = true;
  bool rename_may_keep_both = false;
  LostTarget lost_target = LostTarget::never;
};

CrashModel model_of(const std::string& filesystem);  // xfs, ext4, btrfs, other

struct Inode {
  bool is_directory = false;
  bool was_synced = false;  // ever, so that there is a durable version
  bool shares_blocks =
      false;                 // a clone whose content was not changed durably: the mtime axiom holds
  bool sync_failed = false;  // what is not durable now never will be
  Content now;
  Content durable;
  std::int64_t mtime_ns = 0;
  std::int64_t durable_mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t durable_ctime_ns = 0;

  bool is_dirty() const {
    return !is_directory && (now != durable || mtime_ns != durable_mtime_ns);
  }
};

struct Entry {
  InodeNumber directory;
  NameId name;
  InodeNumber inode;
  bool operator==(const Entry&) const = default;
};

using Names = std::vector<Entry>;  // sorted by directory and name

InodeNumber find(const Names& names, InodeNumber directory, NameId name);
void put(Names& names, InodeNumber directory, NameId name, InodeNumber inode);
void erase(Names& names, InodeNumber directory, NameId name);
bool has_other_name(const Names& names, InodeNumber directory, NameId name, InodeNumber inode);

// A change of names that is in memory and not yet durable.
struct Change {
  InodeNumber directory;
  NameId from;  // the name that goes, or 0
  NameId to;    // the name that comes, or 0
  InodeNumber inode;
  InodeNumber replaced;      // what `to` meant before
  bool replaced_was_linked;  // it had another name in the same directory
};

// What of one change reached the disk.
enum class Extent { nothing, all, both_names, target_lost };
void apply(Names& names, const Change& change, Extent extent);

struct Disk {
  std::vector<Inode> inodes;  // by number
  Names memory;
  Names durable;
  std::vector<Change> pending;
  std::int64_t now_ns = kFirstTimeNs;

  Disk();

  InodeNumber create(bool is_directory);
  InodeNumber lookup(InodeNumber directory, NameId name) const {
    return find(memory, directory, name);
  }
  InodeNumber resolve(const std::string& path) const;  // absolute; 0 where there is none
  std::size_t link_count(InodeNumber inode) const;

  // The arguments are what the kernel would have checked.
  void link(InodeNumber directory, const std::string& name, InodeNumber inode);
  void unlink(InodeNumber directory, const std::string& name);
  void rename(InodeNumber directory, const std::string& from, const std::string& to);
  void sync_directory(const CrashModel& model, InodeNumber directory);
  void sync_file(const CrashModel& model, InodeNumber inode);
  void fail_sync(InodeNumber inode) { inodes[inode].sync_failed = true; }

  void set_content(InodeNumber inode, const Content& content);  // and the times
  // Writes all blocks with a symbol that is nowhere yet.
  void write_fresh(InodeNumber inode);
  Symbol fresh_symbol() const;

  void settle_all();  // as after an unmount

 private:
  void change(Change change);
  void make_durable(const Change& change);
};

}  // namespace qubes::storage::simulation

#endif
