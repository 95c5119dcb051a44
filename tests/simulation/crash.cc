// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/crash.h"

#include <algorithm>
#include <set>

namespace qubes::storage::simulation {
namespace {

// What is durable of one file.
struct Version {
  Content content;
  std::int64_t mtime_ns = 0;
  bool operator==(const Version&) const = default;
};

// The blocks as they would be at the larger of both sizes; only those that differ vary.
std::vector<std::array<Symbol, kBlocksMax>> mixtures(const Inode& file) {
  const auto& before = file.durable.blocks;
  const auto& after = file.now.blocks;
  auto zeros = before;
  auto torn = before;
  bool first = true;
  for (std::size_t i = 0; i < kBlocksMax; ++i) {
    if (before[i] == after[i]) continue;
    zeros[i] = 0;
    if (first) torn[i] = after[i];
    first = false;
  }
  return {before, after, zeros, torn};
}

std::vector<Version> versions_of(const Inode& file) {
  std::vector<Version> result;
  const bool axiom = file.shares_blocks && file.was_synced;
  for (const auto& blocks : mixtures(file)) {
    for (const std::uint8_t size : {file.durable.size_blocks, file.now.size_blocks}) {
      for (const std::int64_t mtime_ns : {file.durable_mtime_ns, file.mtime_ns}) {
        Content content;
        content.blocks = blocks;
        content = resized(content, size);
        if (axiom && content != file.durable && mtime_ns != file.mtime_ns) continue;
        const Version version{content, mtime_ns};
        if (std::find(result.begin(), result.end(), version) == result.end()) {
          result.push_back(version);
        }
      }
    }
  }
  return result;
}

class PowerCut {
 public:
  PowerCut(const Disk& disk, const CrashModel& model, const std::function<void(CrashState&)>& visit)
      : disk_(disk), model_(model), visit_(visit), extents_(disk.pending.size(), Extent::nothing) {}

  void run() {
    if (model_.ordered) {
      Names names = disk_.durable;
      with_names(names);
      for (std::size_t i = 0; i < disk_.pending.size(); ++i) {
        extents_[i] = Extent::all;
        apply(names, disk_.pending[i], Extent::all);
        with_names(names);
      }
    } else {
      choose(0, disk_.durable);
    }
  }

 private:
  void choose(std::size_t index, const Names& names) {
    if (index == disk_.pending.size()) return with_names(names);
    const Change& change = disk_.pending[index];
    std::vector<Extent> choices = {Extent::nothing, Extent::all};
    if (change.from != 0 && change.to != 0) {
      if (model_.rename_may_keep_both) choices.push_back(Extent::both_names);
      const bool may_lose =
          model_.lost_target == LostTarget::always
              ? change.replaced != 0
              : model_.lost_target == LostTarget::linked && change.replaced_was_linked;
      if (may_lose) choices.push_back(Extent::target_lost);
    }
    for (const Extent extent : choices) {
      Names next = names;
      apply(next, change, extent);
      extents_[index] = extent;
      choose(index + 1, next);
    }
  }

  // The files that are dirty and still reachable, but for those that nothing will read.
  void with_names(const Names& names) {
    if (!seen_.insert(hash_names(names)).second) return;
    CrashState state{CrashKind::power_cut, disk_, extents_};
    state.disk.pending.clear();
    state.disk.memory = state.disk.durable = names;
    std::vector<bool> has_name(disk_.inodes.size());
    std::vector<bool> is_read(disk_.inodes.size());
    for (const Entry& entry : names) {
      has_name[entry.inode] = true;
      if (info(entry.name).role != Role::temporary) is_read[entry.inode] = true;
    }
    std::vector<InodeNumber> dirty;
    for (InodeNumber i = 1; i < disk_.inodes.size(); ++i) {
      Inode& inode = state.disk.inodes[i];
      if (!was_renamed(i)) inode.ctime_ns = inode.durable_ctime_ns;
      if (inode.is_dirty() && has_name[i] && is_read[i]) {
        dirty.push_back(i);
      } else {
        inode = left(inode, {inode.durable, inode.durable_mtime_ns});
      }
    }
    with_contents(state, dirty, 0);
  }

  void with_contents(CrashState& state, const std::vector<InodeNumber>& dirty, std::size_t index) {
    if (index == dirty.size()) {
      CrashState copy = state;  // the visitor may do with it what it likes
      return visit_(copy);
    }
    Inode& inode = state.disk.inodes[dirty[index]];
    const Inode before = inode;
    for (const Version& version : versions_of(before)) {
      inode = left(before, version);
      with_contents(state, dirty, index + 1);
    }
    inode = before;
  }

  // A name change of it is durable, and with that the ctime.
  bool was_renamed(InodeNumber inode) const {
    for (std::size_t i = 0; i < extents_.size(); ++i) {
      const bool is_there = extents_[i] == Extent::all || extents_[i] == Extent::both_names;
      if (is_there && disk_.pending[i].inode == inode) return true;
    }
    return false;
  }

  static Inode left(Inode inode, const Version& version) {
    if (inode.is_directory) return inode;
    const bool is_other = inode.durable != version.content;
    if (is_other && inode.was_synced) inode.shares_blocks = false;
    // A write sets both times.
    if (is_other || inode.durable_mtime_ns != version.mtime_ns) {
      inode.ctime_ns = std::max(inode.ctime_ns, version.mtime_ns);
    }
    inode.durable_ctime_ns = inode.ctime_ns;
    inode.now = inode.durable = version.content;
    inode.mtime_ns = inode.durable_mtime_ns = version.mtime_ns;
    inode.was_synced = true;
    inode.sync_failed = false;
    return inode;
  }

  static std::vector<std::uint64_t> hash_names(const Names& names) {
    std::vector<std::uint64_t> key;
    key.reserve(names.size());
    for (const Entry& entry : names) {
      key.push_back((std::uint64_t{entry.directory} << 32) | (std::uint64_t{entry.name} << 16) |
                    entry.inode);
    }
    return key;
  }

  const Disk& disk_;
  const CrashModel& model_;
  const std::function<void(CrashState&)>& visit_;
  std::vector<Extent> extents_;
  std::set<std::vector<std::uint64_t>> seen_;
};

const char* name_of(Extent extent) {
  switch (extent) {
    case Extent::nothing:
      return "lost";
    case Extent::all:
      return "durable";
    case Extent::both_names:
      return "half: both names are there";
    case Extent::target_lost:
      return "half: the target is gone";
  }
  return "";
}

std::string describe_names(const Disk& before, const CrashState& state) {
  std::string text;
  for (std::size_t i = 0; i < before.pending.size(); ++i) {
    const Change& change = before.pending[i];
    const std::string from = info(change.from).text;
    const std::string to = info(change.to).text;
    const std::string what = change.to == 0     ? "unlink " + from
                             : change.from == 0 ? "link " + to
                                                : "rename " + from + " -> " + to;
    text += "      " + what + ": " + name_of(state.changes[i]) + "\n";
  }
  return text;
}

std::string describe_files(const Disk& disk) {
  std::string text = "    what is there after it:";
  for (const Entry& entry : disk.memory) {
    const Inode& inode = disk.inodes[entry.inode];
    if (!inode.is_directory) text += ' ' + info(entry.name).text + ' ' + inode.now.text();
  }
  return text + '\n';
}

}  // namespace

void for_each_crash(const Disk& disk, const CrashModel& model,
                    const std::function<void(CrashState&)>& visit) {
  PowerCut(disk, model, visit).run();
  CrashState death{CrashKind::process_death, disk, {}};
  visit(death);
}

std::string describe(const Disk& before, const CrashState& state) {
  if (state.kind == CrashKind::process_death) {
    return "  THE PROCESS DIES: memory stays, with what is not durable yet\n";
  }
  std::string text = "  THE POWER IS CUT";
  text += before.pending.empty() ? ": all names were durable\n"
                                 : ", with these changes of names on their way:\n";
  text += describe_names(before, state);
  for (InodeNumber i = 1; i < before.inodes.size(); ++i) {
    const Inode& inode = before.inodes[i];
    if (!inode.is_dirty()) continue;
    std::string names;
    for (const Entry& entry : state.disk.memory) {
      if (entry.inode == i) names += ' ' + info(entry.name).text;
    }
    if (names.empty()) continue;
    text += "      unsynced" + names + ": durable was " + inode.durable.text() + ", memory " +
            inode.now.text() + ", left is " + state.disk.inodes[i].now.text() + ", mtime " +
            (state.disk.inodes[i].mtime_ns == inode.mtime_ns ? "new" : "old") + "\n";
  }
  return text + describe_files(state.disk);
}

}  // namespace qubes::storage::simulation
