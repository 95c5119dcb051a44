// SPDX-License-Identifier: LGPL-2.1-or-later
// Files for other software to be tried with, and ways of replacing one: the right one, and wrong
// ones that are seen in practice. The rules are in judge_files.h.
//
// usage: crash-file mark WORD...            leaves a mark
//        crash-file write FILE VERSION      writes a whole version, syncs nothing
//        crash-file replace WAY FILE COUNT  replaces FILE so many times, with marks
//
// WAY: correct, clone, unsynced, clone-unsynced, no-directory-sync, backup (the old one is linked
// as FILE.old) or backup-no-sync (the same without a sync between link and rename)
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "testvm/crash/marks.h"
#include "testvm/crash/stamp.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {
namespace {

namespace fs = std::filesystem;

Marker marker() {
  const char* place = std::getenv("CRASH_MARKS");
  return Marker(place == nullptr ? "" : place);
}

void write_version(int file, simulation::Symbol version, const std::string& path) {
  for (std::size_t i = 0; i < simulation::kBlocksMax; ++i) {
    const std::vector<std::byte> data = stamped(version, i);
    const auto at = static_cast<off_t>(i * kChunkBytes);
    if (::pwrite(file, data.data(), data.size(), at) != static_cast<ssize_t>(data.size())) {
      fail("write", path);
    }
  }
}

Descriptor make_file(const std::string& path) {
  return Descriptor(
      check(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "make", path));
}

void sync(int file, const std::string& path) {
  check(::fsync(file), "sync", path);
}

void sync_directory_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path();
  const std::string directory = parent.empty() ? "." : parent;
  const Descriptor file(
      check(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", directory));
  sync(file.get(), directory);
}

// The right way, but for what the name says is left out.
struct Way {
  const char* name;
  bool clones, syncs_file, syncs_directory, keeps_backup, syncs_backup;
};

constexpr Way kWays[] = {
    {"correct", false, true, true, false, false},
    {"clone", true, true, true, false, false},
    {"unsynced", false, false, true, false, false},
    {"clone-unsynced", true, false, true, false, false},
    {"no-directory-sync", false, true, false, false, false},
    {"backup", false, true, true, true, true},
    {"backup-no-sync", false, true, true, true, false},
};

void replace(const Way& way, const std::string& path, simulation::Symbol version) {
  const std::string temporary = path + ".new";
  const Descriptor file = make_file(temporary);
  if (way.clones && version > 1) {
    const Descriptor old(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open", path));
    check(::ioctl(file.get(), FICLONE, old.get()), "clone", path);
  }
  write_version(file.get(), version, temporary);
  if (way.syncs_file) sync(file.get(), temporary);
  if (way.keeps_backup && version > 1) {
    const std::string backup = path + ".old";
    ::unlink(backup.c_str());
    check(::link(path.c_str(), backup.c_str()), "link", backup);
    if (way.syncs_backup) sync_directory_of(path);
  }
  check(::rename(temporary.c_str(), path.c_str()), "rename", temporary);
  if (way.syncs_directory) sync_directory_of(path);
}

void replace_often(const std::string& way_name, const std::string& path, unsigned count) {
  const Way* way = nullptr;
  for (const Way& one : kWays) {
    if (way_name == one.name) way = &one;
  }
  if (way == nullptr) throw std::invalid_argument("no such way: " + way_name);
  Marker marks = marker();
  marks.leave("file " + path);
  marks.leave("ready");
  for (unsigned version = 1; version <= count; ++version) {
    const std::string what = path + ' ' + std::to_string(version);
    marks.leave("begin " + what);
    replace(*way, path, static_cast<simulation::Symbol>(version));
    marks.leave("done " + what);
  }
  marks.leave("end");
}

int run(const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "mark" && words.size() > 1) {
    std::string text = words[1];
    for (std::size_t i = 2; i < words.size(); ++i) text += ' ' + words[i];
    marker().leave(text);
  } else if (verb == "write" && words.size() == 3) {
    const Descriptor file = make_file(words[1]);
    write_version(file.get(), static_cast<simulation::Symbol>(std::stoul(words[2])), words[1]);
  } else if (verb == "replace" && words.size() == 4) {
    replace_often(words[1], words[2], static_cast<unsigned>(std::stoul(words[3])));
  } else {
    throw std::invalid_argument("mark WORD..., write FILE VERSION, or replace WAY FILE COUNT");
  }
  return 0;
}

}  // namespace
}  // namespace qubes::storage::crash

int main(int count, char** values) {
  try {
    return qubes::storage::crash::run({values + 1, values + count});
  } catch (const std::exception& error) {
    std::cerr << "crash-file: " << error.what() << std::endl;
    return 2;
  }
}
