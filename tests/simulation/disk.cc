// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/disk.h"

#include <algorithm>
#include <stdexcept>

namespace qubes::storage::simulation {
namespace {

auto position(Names& names, InodeNumber directory, NameId name) {
  return std::lower_bound(names.begin(), names.end(), std::pair(directory, name),
                          [](const Entry& entry, const auto& key) {
                            return std::pair(entry.directory, entry.name) < key;
                          });
}

}  // namespace

std::string Content::text() const {
  std::string text = "[";
  for (std::size_t i = 0; i < size_blocks; ++i) {
    if (i > 0) text += ' ';
    text += std::to_string(blocks[i]);
  }
  return text + "]";
}

Content filled(std::uint8_t size_blocks, Symbol symbol) {
  Content content;
  content.size_blocks = size_blocks;
  for (std::size_t i = 0; i < size_blocks; ++i) content.blocks[i] = symbol;
  return content;
}

Content resized(Content content, std::uint8_t size_blocks) {
  for (std::size_t i = size_blocks; i < kBlocksMax; ++i) content.blocks[i] = 0;
  content.size_blocks = size_blocks;
  return content;
}

CrashModel model_of(const std::string& filesystem) {
  CrashModel model;
  model.name = filesystem;
  if (filesystem == "xfs") return model;
  if (filesystem == "ext4") {
    model.reflink = false;
    return model;
  }
  model.ordered = false;
  model.reflink = filesystem == "btrfs";
  model.unnamed_sync_counts = false;
  model.rename_may_keep_both = true;
  model.lost_target = LostTarget::linked;
  if (filesystem != "btrfs" && filesystem != "other") {
    throw std::invalid_argument("no model of " + filesystem);
  }
  return model;
}

InodeNumber find(const Names& names, InodeNumber directory, NameId name) {
  auto at = position(const_cast<Names&>(names), directory, name);
  const bool found = at != names.end() && at->directory == directory && at->name == name;
  return found ? at->inode : InodeNumber{0};
}

void put(Names& names, InodeNumber directory, NameId name, InodeNumber inode) {
  auto at = position(names, directory, name);
  if (at != names.end() && at->directory == directory && at->name == name) {
    at->inode = inode;
  } else {
    names.insert(at, {directory, name, inode});
  }
}

void erase(Names& names, InodeNumber directory, NameId name) {
  auto at = position(names, directory, name);
  if (at != names.end() && at->directory == directory && at->name == name) names.erase(at);
}

bool has_other_name(const Names& names, InodeNumber directory, NameId name, InodeNumber inode) {
  return std::any_of(names.begin(), names.end(), [&](const Entry& entry) {
    return entry.directory == directory && entry.name != name && entry.inode == inode;
  });
}

void apply(Names& names, const Change& change, Extent extent) {
  if (extent == Extent::nothing) return;
  if (extent == Extent::target_lost) {
    if (find(names, change.directory, change.to) == change.replaced) {
      erase(names, change.directory, change.to);
    }
    return;
  }
  const bool removes = change.from != 0 && extent == Extent::all &&
                       find(names, change.directory, change.from) == change.inode;
  if (removes) erase(names, change.directory, change.from);
  if (change.to != 0) put(names, change.directory, change.to, change.inode);
}

Disk::Disk() : inodes(2) {
  inodes[kRoot].is_directory = true;
}

InodeNumber Disk::create(bool is_directory) {
  Inode inode;
  inode.is_directory = is_directory;
  if (!is_directory) {
    inode.mtime_ns = inode.ctime_ns = now_ns;
    inode.durable_mtime_ns = inode.durable_ctime_ns = now_ns;
  }
  inodes.push_back(inode);
  return static_cast<InodeNumber>(inodes.size() - 1);
}

InodeNumber Disk::resolve(const std::string& path) const {
  InodeNumber at = kRoot;
  for (std::size_t start = 1; at != 0 && start < path.size();) {
    const auto slash = std::min(path.find('/', start), path.size());
    at = lookup(at, intern(path.substr(start, slash - start)));
    start = slash + 1;
  }
  return at;
}

std::size_t Disk::link_count(InodeNumber inode) const {
  return static_cast<std::size_t>(std::count_if(
      memory.begin(), memory.end(), [&](const Entry& entry) { return entry.inode == inode; }));
}

void Disk::change(Change change) {
  if (change.to != 0) {
    change.replaced = lookup(change.directory, change.to);
    change.replaced_was_linked = change.replaced != 0 && has_other_name(memory, change.directory,
                                                                        change.to, change.replaced);
  }
  for (InodeNumber touched : {change.inode, change.replaced}) {
    if (touched != 0 && !inodes[touched].is_directory) inodes[touched].ctime_ns = now_ns;
  }
  apply(memory, change, Extent::all);
  pending.push_back(change);
}

void Disk::link(InodeNumber directory, const std::string& name, InodeNumber inode) {
  change({directory, 0, intern(name), inode, 0, false});
}

void Disk::unlink(InodeNumber directory, const std::string& name) {
  const NameId id = intern(name);
  const InodeNumber inode = lookup(directory, id);
  if (inode != 0) change({directory, id, 0, inode, 0, false});
}

void Disk::rename(InodeNumber directory, const std::string& from, const std::string& to) {
  const NameId id = intern(from);
  const InodeNumber inode = lookup(directory, id);
  if (inode == 0 || inode == lookup(directory, intern(to))) return;  // rename(2): one inode
  change({directory, id, intern(to), inode, 0, false});
}

// A change of names is one with the ctime that it sets.
void Disk::make_durable(const Change& change) {
  apply(durable, change, Extent::all);
  inodes[change.inode].durable_ctime_ns = inodes[change.inode].ctime_ns;
}

void Disk::sync_directory(const CrashModel& model, InodeNumber directory) {
  auto touches = [&](const Change& one) {
    return one.directory == directory || one.inode == directory;
  };
  if (model.ordered) {
    const auto last = std::find_if(pending.rbegin(), pending.rend(), touches).base();
    for (auto at = pending.begin(); at != last; ++at) make_durable(*at);
    pending.erase(pending.begin(), last);
    return;
  }
  std::vector<Change> rest;
  for (const Change& one : pending) {
    if (one.directory == directory) {
      make_durable(one);
    } else {
      rest.push_back(one);
    }
  }
  pending = rest;
}

void Disk::sync_file(const CrashModel& model, InodeNumber inode) {
  Inode& file = inodes[inode];
  if (file.sync_failed) return;
  if (link_count(inode) == 0 && !model.unnamed_sync_counts) return;
  if (file.was_synced && file.now != file.durable) file.shares_blocks = false;
  file.durable = file.now;
  file.durable_mtime_ns = file.mtime_ns;
  file.durable_ctime_ns = file.ctime_ns;
  file.was_synced = true;
}

void Disk::set_content(InodeNumber inode, const Content& content) {
  inodes[inode].now = content;
  inodes[inode].mtime_ns = inodes[inode].ctime_ns = now_ns;
}

Symbol Disk::fresh_symbol() const {
  Symbol highest = 0;
  for (const Inode& inode : inodes) {
    for (Symbol symbol : inode.now.blocks) highest = std::max(highest, symbol);
    for (Symbol symbol : inode.durable.blocks) highest = std::max(highest, symbol);
  }
  if (highest == 0xFF) throw std::length_error("too many symbols");
  return static_cast<Symbol>(highest + 1);
}

void Disk::write_fresh(InodeNumber inode) {
  set_content(inode, filled(inodes[inode].now.size_blocks, fresh_symbol()));
}

void Disk::settle_all() {
  durable = memory;
  pending.clear();
  for (Inode& inode : inodes) {
    inode.durable = inode.now;
    inode.durable_mtime_ns = inode.mtime_ns;
    inode.durable_ctime_ns = inode.ctime_ns;
    inode.was_synced = true;
  }
}

}  // namespace qubes::storage::simulation
