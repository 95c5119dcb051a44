// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/directory.h"

#include <algorithm>
#include <array>

namespace qubes::storage::fuzz {
namespace {

using simulation::Content;
using simulation::Disk;
using simulation::Entry;
using simulation::InodeNumber;
using simulation::intern;
using simulation::kFirstTimeNs;

constexpr std::size_t kFilesMax = 12;
constexpr std::size_t kRawMax = 30;
constexpr simulation::Symbol kSymbols = 5;

InodeNumber make_directory(Disk& disk, InodeNumber parent, const std::string& name) {
  disk.link(parent, name, disk.create(true));
  return disk.lookup(parent, intern(name));
}

// Mostly one of ours, with any part a little wrong now and then.
std::string likely_name(Bytes& input) {
  static constexpr std::array<const char*, 8> kVolumes = {"root", "root",       "root",    "rootX",
                                                          "x",    "root-dirty", "a.img.1", ""};
  static constexpr std::array<const char*, 12> kForms = {
      ".img",
      "-dirty.img",
      ".img.1@2023-11-14T22:13:20Z",
      ".img.2@2023-11-14T22:13:21Z",
      "-precache.img",
      "-import.img",
      ".img.2@2001-02-03T04:05:06Z",
      ".img.07@2023-11-14T22:13:20Z",
      ".img@2023-11-14T22:13:20Z",
      ".img.1@2023-02-30T22:13:20Z",
      ".img.999999999999999999@2023-11-14T22:13:20Z",
      ".img.3@2023-11-14T22:13:29Z"};
  std::string name = std::string(input.pick(kVolumes)) + input.pick(kForms);
  switch (input.below(8)) {
    case 6:
      return name + "~0aZ_9bY_";
    case 7:
      name[input.below(name.size())] = static_cast<char>(input.next());
      return name;
    default:
      return name;
  }
}

std::string any_name(Bytes& input) {
  std::string name = input.below(8) == 7 ? input.text(kRawMax) : likely_name(input);
  for (char& byte : name) {
    if (byte == '/' || byte == '\0') byte = '_';
  }
  return name.empty() || name == "." || name == ".." ? "x" : name;
}

InodeNumber make_file(Disk& disk, Bytes& input) {
  static constexpr std::array<std::int64_t, 6> kTimes = {0, 0, 1, 1'000'000'000, 3'000'000'000, 2};
  const InodeNumber inode = disk.create(false);
  const auto blocks = static_cast<std::uint8_t>(input.below(simulation::kBlocksMax + 1));
  const auto symbol = static_cast<simulation::Symbol>(input.below(kSymbols));
  disk.set_content(inode, simulation::filled(blocks, symbol));
  disk.inodes[inode].mtime_ns = kFirstTimeNs + input.pick(kTimes);
  return inode;
}

InodeNumber any_file_of(const Disk& disk, InodeNumber directory, Bytes& input) {
  std::vector<InodeNumber> files;
  for (const Entry& entry : disk.memory) {
    if (entry.directory == directory && !disk.inodes[entry.inode].is_directory) {
      files.push_back(entry.inode);
    }
  }
  return files.empty() ? InodeNumber{0} : input.pick(files);
}

void add_something(Disk& disk, InodeNumber directory, InodeNumber templates, Bytes& input) {
  const std::string name = any_name(input);
  if (disk.lookup(directory, intern(name)) != 0) return;
  InodeNumber inode = 0;
  switch (input.below(8)) {
    case 7:
      inode = disk.create(true);
      break;
    case 6:
      inode = any_file_of(disk, templates, input);
      break;
    case 5:
      inode = any_file_of(disk, directory, input);
      break;
    default:
      break;
  }
  disk.link(directory, name, inode != 0 ? inode : make_file(disk, input));
}

}  // namespace

Disk make_disk(Bytes& input) {
  Disk disk;
  const InodeNumber pool = make_directory(disk, simulation::kRoot, "pool");
  const InodeNumber vm = make_directory(disk, make_directory(disk, pool, "appvms"), "w");
  const InodeNumber source = make_directory(disk, make_directory(disk, pool, "vm-templates"), "t");
  if (!input.flag()) disk.link(source, "root.img", make_file(disk, input));
  const std::size_t count = input.below(kFilesMax + 1);
  for (std::size_t i = 0; i < count; ++i) add_something(disk, vm, source, input);
  // Else a power cut could take it all away; nothing here cuts the power.
  if (!input.flag()) disk.settle_all();
  return disk;
}

Listing list_directory(const Disk& disk, const std::string& path) {
  Listing listing;
  const InodeNumber directory = disk.resolve(path);
  for (const Entry& entry : disk.memory) {
    if (directory == 0 || entry.directory != directory) continue;
    const simulation::Inode& inode = disk.inodes[entry.inode];
    const std::string& name = simulation::info(entry.name).text;
    listing[name] = {meaning_of(name), entry.inode, inode.is_directory, inode.now, inode.mtime_ns};
  }
  return listing;
}

void trace(const std::string& title, const Listing& listing) {
  if (std::getenv("FUZZ_TRACE") == nullptr) return;
  std::fprintf(stderr, "%s\n", title.c_str());
  for (const auto& [name, found] : listing) {
    std::fprintf(stderr, "  %c inode %u %s mtime %lld %s\n",
                 found.meaning.letter != 0 ? found.meaning.letter : '-', unsigned{found.inode},
                 found.is_directory ? "directory" : found.content.text().c_str(),
                 static_cast<long long>(found.mtime_ns - simulation::kFirstTimeNs), name.c_str());
  }
}

const Found* find_letter(const Listing& listing, const std::string& volume, char letter) {
  for (const auto& [name, found] : listing) {
    const bool is_it = found.meaning.letter == letter && found.meaning.volume == volume;
    if (is_it && !found.is_directory) return &found;
  }
  return nullptr;
}

void require_others_untouched(const Listing& before, const Listing& after,
                              const std::string& volume, InodeNumber session,
                              const std::string& what) {
  for (const auto& [name, was] : before) {
    const bool is_foreign = was.meaning.letter == 0;
    if (!is_foreign && (volume.empty() || was.meaning.volume == volume)) continue;
    const auto is = after.find(name);
    require(is != after.end(), what + " removed " + name + ", which is not its own");
    // A session is written in place, under all names that somebody gave it.
    const bool is_session = was.inode == session && is->second.inode == session;
    require(is->second.same(was) || is_session,
            what + " changed " + name + ", which is not its own");
  }
  for (const auto& [name, is] : after) {
    const bool is_new = !before.contains(name);
    require(!is_new || (is.meaning.letter != 0 && (volume.empty() || is.meaning.volume == volume)),
            what + " left " + name);
  }
}

void require_states_kept(const Listing& before, const Listing& after, const std::string& volume,
                         const std::string& what) {
  for (const auto& entry : before) {
    const std::string& name = entry.first;
    const Found& was = entry.second;
    if (!was.is_state() || (!volume.empty() && was.meaning.volume != volume)) continue;
    const bool is_there = std::any_of(after.begin(), after.end(), [&](const auto& each) {
      const Found& is = each.second;
      const bool is_it = is.inode == was.inode || !volume.empty();
      return is.is_state() && is_it && is.content == was.content &&
             is.meaning.volume == was.meaning.volume;
    });
    require(is_there, what + " lost the state " + name);
  }
}

}  // namespace qubes::storage::fuzz
