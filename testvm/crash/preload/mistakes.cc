// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes that programs make when they replace files, planted by name.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <mutex>

#include "testvm/crash/preload/call.h"

namespace qubes::storage::crash {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_revision(const std::string& name) {
  return name.find(".img.") != std::string::npos && name.find('~') == std::string::npos;
}

// A new file under its temporary name. The kernel shows one that was made without any name by its
// inode's number, also when it has got one.
bool is_temporary(const std::string& name) {
  return name.find('~') != std::string::npos || name.rfind('#', 0) == 0;
}

bool is_session(const std::string& name) {
  return ends_with(name, "-dirty.img") || ends_with(name, "-import.img");
}

// Onto the committed state.
bool publishes(const Call& call) {
  const bool is_other = is_session(call.to) || ends_with(call.to, "-precache.img");
  return call.kind == CallKind::rename && ends_with(call.to, ".img") && !is_other;
}

std::string image_path(const Call& call, const std::string& name) {
  return call.directory + '/' + name;
}

// As the periodic commit of the filesystem does, which may come at any moment; here it does.
void commit_everything() {
  ::syscall(SYS_sync);
}

void remove(const std::string& path) {
  ::syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), 0);
}

// Where there are several: the newest is the state that is being replaced.
void remove_oldest_revision(const Call& call) {
  DIR* directory = ::opendir(call.directory.c_str());
  if (directory == nullptr) return;
  long oldest = 0;
  int count = 0;
  std::string name;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string start = call.to + '.';
    const std::string found = entry->d_name;
    if (found.rfind(start, 0) != 0) continue;
    ++count;
    const long number = std::strtol(found.c_str() + start.size(), nullptr, 10);
    if (name.empty() || number < oldest) {
      oldest = number;
      name = found;
    }
  }
  ::closedir(directory);
  if (count > 1) remove(image_path(call, name));
}

// The state to be kept is copied instead of linked, and the copy is not synced.
long clone_instead(const Call& call) {
  const int source = ::open(image_path(call, call.from).c_str(), O_RDONLY | O_CLOEXEC);
  const int target =
      ::open(image_path(call, call.to).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  long result = ::syscall(SYS_ioctl, target, FICLONE, source);
  if (result == -1) {
    result = ::syscall(SYS_copy_file_range, source, nullptr, target, nullptr, 1 << 30, 0);
  }
  ::close(source);
  ::close(target);
  return result == -1 ? -1 : 0;
}

// What was done last to the names of any directory.
struct Last {
  CallKind kind = CallKind::sync_directory;
  bool was_published = false;
};

long mistaken(const std::string& mistake, const Call& call, const Perform& perform, Last& last) {
  const bool is_directory = call.kind == CallKind::sync_directory;
  const bool is_file = call.kind == CallKind::sync_file;
  if (mistake == "no-file-sync" && is_file) return 0;
  if (mistake == "no-session-sync" && is_file && is_session(call.from)) return 0;
  if (mistake == "no-clone-sync" && is_file && is_temporary(call.from)) return 0;
  if (mistake == "no-directory-sync" && is_directory) return 0;
  if (mistake == "no-middle-sync" && is_directory && last.kind == CallKind::link) return 0;
  if (mistake == "no-last-sync" && is_directory && last.was_published) return 0;
  if (mistake == "prune-first" && publishes(call) && is_session(call.from)) {
    remove_oldest_revision(call);
    commit_everything();
  }
  if (mistake == "remove-first" && publishes(call)) {
    remove(image_path(call, call.to));
    commit_everything();
  }
  if (mistake == "cloned-revision" && call.kind == CallKind::link && is_revision(call.to)) {
    return clone_instead(call);
  }
  return perform();
}

constexpr const char* kMistakes[] = {"no-file-sync",      "no-session-sync", "no-clone-sync",
                                     "no-directory-sync", "no-middle-sync",  "no-last-sync",
                                     "prune-first",       "remove-first",    "cloned-revision"};

std::string chosen_mistake() {
  const char* text = std::getenv("CRASH_MISTAKE");
  if (text == nullptr) return "";
  for (const char* known : kMistakes) {
    if (std::string(text) == known) return known;
  }
  std::cerr << "no such mistake: " << text << std::endl;
  std::abort();
}

}  // namespace

long perform_mistaken(const Call& call, const Perform& perform) {
  static const std::string mistake = chosen_mistake();
  static std::mutex mutex;
  static Last last;
  if (mistake.empty()) return perform();
  std::unique_lock guard(mutex);
  const long result = mistaken(mistake, call, perform, last);
  if (call.kind != CallKind::sync_file && call.kind != CallKind::clone) {
    last = {call.kind, publishes(call)};
  }
  return result;
}

}  // namespace qubes::storage::crash
