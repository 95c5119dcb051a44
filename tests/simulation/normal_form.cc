// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/normal_form.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <vector>

namespace qubes::storage::simulation {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

class Normalizer {
 public:
  explicit Normalizer(Disk& disk) : disk_(disk), numbers_(disk.inodes.size()) {}

  Renaming run() {
    drop_forgotten();
    sort_by_meaning(disk_.memory);
    sort_by_meaning(disk_.durable);
    number_inodes();
    move_inodes();
    rename_symbols();
    collect();
    rename_times();
    rename_entries(disk_.memory);
    rename_entries(disk_.durable);
    for (Change& change : disk_.pending) {
      change.from = renamed(change.from);
      change.to = renamed(change.to);
    }
    return std::move(renaming_);
  }

 private:
  template <typename Act>
  void for_all_names(Act act) {
    for (const Entry& entry : disk_.memory) act(entry.name);
    for (const Entry& entry : disk_.durable) act(entry.name);
    for (const Change& change : disk_.pending) {
      if (change.from != 0) act(change.from);
      if (change.to != 0) act(change.to);
    }
  }

  // The changes within a directory that is gone for good.
  void drop_forgotten() {
    std::vector<bool> named(disk_.inodes.size());
    named[kRoot] = true;
    for (const Entry& entry : disk_.memory) named[entry.inode] = true;
    for (const Entry& entry : disk_.durable) named[entry.inode] = true;
    for (const Change& change : disk_.pending) named[change.inode] = true;
    auto forgotten = [&](const auto& one) { return !named[one.directory]; };
    std::erase_if(disk_.memory, forgotten);
    std::erase_if(disk_.durable, forgotten);
    std::erase_if(disk_.pending, forgotten);
  }

  // Not by number of the name, which tells when a text was met first.
  static void sort_by_meaning(Names& names) {
    auto key = [](const Entry& entry) {
      const NameInfo& meaning = info(entry.name);
      return std::tuple(entry.directory, meaning.role, meaning.number, meaning.seconds, entry.name);
    };
    std::sort(names.begin(), names.end(),
              [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  }

  void number(InodeNumber inode) {
    if (inode == 0 || numbers_[inode] != 0) return;
    order_.push_back(inode);
    numbers_[inode] = static_cast<InodeNumber>(order_.size());
  }

  void number_inodes() {
    number(kRoot);
    for (std::size_t before = 0; before != order_.size();) {
      before = order_.size();
      for (std::size_t i = 0; i < order_.size(); ++i) walk(disk_.memory, order_[i]);
      for (std::size_t i = 0; i < order_.size(); ++i) walk(disk_.durable, order_[i]);
      for (const Change& change : disk_.pending) number(change.inode);
    }
    auto unreachable = [&](const auto& one) { return numbers_[one.directory] == 0; };
    std::erase_if(disk_.memory, unreachable);
    std::erase_if(disk_.durable, unreachable);
    std::erase_if(disk_.pending, unreachable);
  }

  void walk(const Names& names, InodeNumber directory) {
    if (!disk_.inodes[directory].is_directory) return;
    auto at =
        std::lower_bound(names.begin(), names.end(), directory,
                         [](const Entry& entry, InodeNumber key) { return entry.directory < key; });
    for (; at != names.end() && at->directory == directory; ++at) number(at->inode);
  }

  void move_inodes() {
    std::vector<Inode> moved(1);
    moved.reserve(order_.size() + 1);
    for (InodeNumber old : order_) moved.push_back(disk_.inodes[old]);
    disk_.inodes = std::move(moved);
    for (Names* names : {&disk_.memory, &disk_.durable}) {
      for (Entry& entry : *names) {
        entry = {numbers_[entry.directory], entry.name, numbers_[entry.inode]};
      }
    }
    for (Change& change : disk_.pending) {
      change.directory = numbers_[change.directory];
      change.inode = numbers_[change.inode];
      // An inode that is nowhere else: only that it was another matters.
      change.replaced = change.replaced == 0 ? 0 : numbers_[change.replaced];
    }
  }

  void rename_symbols() {
    for (Inode& inode : disk_.inodes) {
      inode.now = renaming_(inode.now);
      inode.durable = renaming_(inode.durable);
    }
  }

  void collect() {
    for_all_names([&](NameId name) {
      const NameInfo& meaning = info(name);
      if (meaning.role != Role::revision) return;
      meet(meaning.seconds * kNsPerSecond);
      renaming_.numbers[{meaning.volume, meaning.number}] = 0;
    });
    for (std::size_t i = 1; i < disk_.inodes.size(); ++i) {
      const Inode& inode = disk_.inodes[i];
      if (inode.is_directory) continue;
      meet(inode.mtime_ns);
      meet(inode.durable_mtime_ns);
    }
    times_.push_back(disk_.now_ns);  // The last, so that a later one is not among them.
    const std::string* volume = nullptr;
    std::int64_t next = 1;
    for (auto& [key, value] : renaming_.numbers) {
      if (volume == nullptr || *volume != key.first) next = 1;
      volume = &key.first;
      value = next++;
    }
  }

  // What marks the precache of a snapshot volume stays a mark.
  static std::int64_t mark_of(std::int64_t time_ns) { return (time_ns - kFirstTimeNs) % kTickNs; }

  void meet(std::int64_t time_ns) {
    time_ns -= mark_of(time_ns);
    if (time_ns == disk_.now_ns) return;
    if (std::find(times_.begin(), times_.end(), time_ns) == times_.end()) times_.push_back(time_ns);
  }

  std::int64_t renamed_time(std::int64_t time_ns) const {
    const std::int64_t mark = mark_of(time_ns);
    const auto rank = std::find(times_.begin(), times_.end(), time_ns - mark) - times_.begin();
    return kFirstTimeNs + rank * kTickNs + mark;
  }

  // The ctime counts only under the name of a session; any other inode gets a new one with that
  // name.
  void rename_times() {
    std::vector<bool> is_session(disk_.inodes.size());
    for (const Names* names : {&disk_.memory, &disk_.durable}) {
      for (const Entry& entry : *names) {
        if (info(entry.name).role == Role::dirty) is_session[entry.inode] = true;
      }
    }
    for (const Change& change : disk_.pending) {
      if (change.to != 0 && info(change.to).role == Role::dirty) is_session[change.inode] = true;
    }
    for (std::size_t i = 1; i < disk_.inodes.size(); ++i) {
      Inode& inode = disk_.inodes[i];
      if (inode.is_directory) continue;
      const bool far = inode.ctime_ns - inode.mtime_ns >= kTickNs;
      const bool durable_far = inode.durable_ctime_ns - inode.durable_mtime_ns >= kTickNs;
      inode.mtime_ns = renamed_time(inode.mtime_ns);
      inode.durable_mtime_ns = renamed_time(inode.durable_mtime_ns);
      inode.ctime_ns = inode.mtime_ns + (far && is_session[i] ? kTickNs : 0);
      inode.durable_ctime_ns =
          inode.durable_mtime_ns + (durable_far && is_session[i] ? kTickNs : 0);
    }
    disk_.now_ns = renamed_time(disk_.now_ns);
  }

  NameId renamed(NameId name) const {
    const NameInfo& meaning = info(name);
    if (name == 0 || meaning.role != Role::revision) return name;
    return renamed_revision(name, renaming_(meaning.volume, meaning.number),
                            renamed_time(meaning.seconds * kNsPerSecond) / kNsPerSecond);
  }

  void rename_entries(Names& names) {
    for (Entry& entry : names) entry.name = renamed(entry.name);
    std::sort(names.begin(), names.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.directory, a.name) < std::pair(b.directory, b.name);
    });
  }

  Disk& disk_;
  std::vector<InodeNumber> numbers_;  // the new one of each
  std::vector<InodeNumber> order_;    // the old ones
  std::vector<std::int64_t> times_;
  Renaming renaming_;
};

template <typename T>
void append(std::string& bytes, const std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto count = static_cast<std::uint16_t>(values.size());
  bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <typename T>
void extract(std::string_view& bytes, std::vector<T>& values) {
  std::uint16_t count = 0;
  std::memcpy(&count, bytes.data(), sizeof count);
  values.resize(count);
  std::memcpy(static_cast<void*>(values.data()), bytes.data() + sizeof count, count * sizeof(T));
  bytes.remove_prefix(sizeof count + count * sizeof(T));
}

// Without padding, whose bytes would be anything.
struct PackedInode {
  std::uint8_t flags;
  Content now;
  Content durable;
  std::uint8_t mtime, durable_mtime, ctime, durable_ctime;
};
struct PackedChange {
  std::uint16_t directory, from, to, inode, replaced, replaced_was_linked;
};
static_assert(std::has_unique_object_representations_v<PackedInode>);
static_assert(std::has_unique_object_representations_v<PackedChange>);
static_assert(std::has_unique_object_representations_v<Entry>);

// With the mark of a snapshot volume's precache, which is 1 ns.
std::uint8_t ticks(std::int64_t time_ns) {
  const std::int64_t since = time_ns - kFirstTimeNs;
  return static_cast<std::uint8_t>(since / kTickNs * 2 + since % kTickNs);
}
std::int64_t from_ticks(std::uint8_t value) {
  return kFirstTimeNs + value / 2 * kTickNs + value % 2;
}

}  // namespace

Content Renaming::operator()(Content content) {
  for (Symbol& symbol : content.blocks) {
    if (symbol == 0) continue;
    if (symbols[symbol] == 0) symbols[symbol] = ++symbols_used;
    symbol = symbols[symbol];
  }
  return content;
}

std::int64_t Renaming::operator()(const std::string& volume, std::int64_t number) const {
  auto found = numbers.find({volume, number});
  return found == numbers.end() ? 1000 + number : found->second;
}

Renaming normalize(Disk& disk) {
  return Normalizer(disk).run();
}

std::string serialized(const Disk& disk) {
  std::string bytes;
  bytes.reserve(512);
  std::vector<PackedInode> inodes;
  for (const Inode& inode : disk.inodes) {
    const int flags = (inode.is_directory ? 1 : 0) | (inode.was_synced ? 2 : 0) |
                      (inode.shares_blocks ? 4 : 0) | (inode.sync_failed ? 8 : 0);
    inodes.push_back({static_cast<std::uint8_t>(flags), inode.now, inode.durable,
                      ticks(inode.mtime_ns), ticks(inode.durable_mtime_ns), ticks(inode.ctime_ns),
                      ticks(inode.durable_ctime_ns)});
  }
  std::vector<PackedChange> changes;
  for (const Change& one : disk.pending) {
    changes.push_back({one.directory, one.from, one.to, one.inode, one.replaced,
                       static_cast<std::uint16_t>(one.replaced_was_linked)});
  }
  append(bytes, inodes);
  append(bytes, disk.memory);
  append(bytes, disk.durable);
  append(bytes, changes);
  bytes.push_back(static_cast<char>(ticks(disk.now_ns)));
  return bytes;
}

Disk deserialized(std::string_view& bytes) {
  Disk disk;
  std::vector<PackedInode> inodes;
  std::vector<PackedChange> changes;
  extract(bytes, inodes);
  extract(bytes, disk.memory);
  extract(bytes, disk.durable);
  extract(bytes, changes);
  disk.inodes.clear();
  for (const PackedInode& packed : inodes) {
    Inode inode;
    inode.is_directory = (packed.flags & 1) != 0;
    inode.was_synced = (packed.flags & 2) != 0;
    inode.shares_blocks = (packed.flags & 4) != 0;
    inode.sync_failed = (packed.flags & 8) != 0;
    inode.now = packed.now;
    inode.durable = packed.durable;
    inode.mtime_ns = from_ticks(packed.mtime);
    inode.durable_mtime_ns = from_ticks(packed.durable_mtime);
    inode.ctime_ns = from_ticks(packed.ctime);
    inode.durable_ctime_ns = from_ticks(packed.durable_ctime);
    disk.inodes.push_back(inode);
  }
  for (const PackedChange& one : changes) {
    disk.pending.push_back(
        {one.directory, one.from, one.to, one.inode, one.replaced, one.replaced_was_linked != 0});
  }
  disk.now_ns = from_ticks(static_cast<std::uint8_t>(bytes.front()));
  bytes.remove_prefix(1);
  return disk;
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0x9E3779B97F4A7C15;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    hash = (hash ^ word) * 0xFF51AFD7ED558CCD;
    hash ^= hash >> 32;
  }
  hash = (hash ^ bytes.size()) * 0xC4CEB9FE1A85EC53;
  return hash ^ (hash >> 29);
}

}  // namespace qubes::storage::simulation
