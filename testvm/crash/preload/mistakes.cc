// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes that programs make when they replace files, planted by name.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>

#include "testvm/crash/preload/call.h"

namespace qubes::storage::crash {
namespace {

constexpr char kLibrary[] = "libqubesstorage.so.0";

bool is_revision(const std::string& name) {
  return name.find(".img.") != std::string::npos && name.find('~') == std::string::npos;
}

// A new file under its temporary name. The kernel shows one that was made without any name by its
// inode's number, also when it has got one.
bool is_temporary(const std::string& name) {
  return name.find('~') != std::string::npos || name.rfind('#', 0) == 0;
}

// What becomes a session that is made of the committed state.
bool is_new(const std::string& name) {
  return is_temporary(name) || ends_with(name, "-precache.img");
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

// A length of 0 means: to the end.
long copy_range(int target, const file_clone_range& range) {
  auto from = static_cast<loff_t>(range.src_offset);
  auto to = static_cast<loff_t>(range.dest_offset);
  const std::size_t length = range.src_length != 0 ? range.src_length : 1 << 30;
  const long copied =
      ::syscall(SYS_copy_file_range, static_cast<int>(range.src_fd), &from, target, &to, length, 0);
  return copied == -1 ? -1 : 0;
}

// The state to be kept is copied instead of linked, and the copy is not synced.
long clone_instead(const Call& call) {
  const int source = ::open(image_path(call, call.from).c_str(), O_RDONLY | O_CLOEXEC);
  const int target =
      ::open(image_path(call, call.to).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  long result = ::syscall(SYS_ioctl, target, FICLONE, source);
  if (result == -1) result = copy_range(target, {source, 0, 0, 0});
  ::close(source);
  ::close(target);
  return result;
}

long link_names(const Call& call, const std::string& from) {
  return ::syscall(SYS_linkat, AT_FDCWD, image_path(call, from).c_str(), AT_FDCWD,
                   image_path(call, call.to).c_str(), 0);
}

// A rename in three steps.
long link_then_remove(const Call& call) {
  remove(image_path(call, call.to));
  commit_everything();
  if (link_names(call, call.from) == -1) return -1;
  remove(image_path(call, call.from));
  return 0;
}

// The session is a second name of the committed state, not a clone of it.
long link_session(const Call& call) {
  remove(image_path(call, call.from));
  return link_names(call, call.to.substr(0, call.to.size() - std::strlen("-dirty.img")) + ".img");
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
  if (mistake == "link-then-remove" && publishes(call)) return link_then_remove(call);
  const bool starts = call.kind == CallKind::rename && ends_with(call.to, "-dirty.img");
  if (mistake == "session-is-link" && starts && is_new(call.from)) return link_session(call);
  if (mistake == "sync-unnamed" && is_file && is_temporary(call.from)) return 0;
  if (mistake == "copy-as-reflink" && call.kind == CallKind::clone) {
    const long result = perform();
    return result == -1 && errno == EOPNOTSUPP ? copy_range(call.target, call.range) : result;
  }
  if (mistake == "cloned-revision" && call.kind == CallKind::link && is_revision(call.to)) {
    return clone_instead(call);
  }
  return perform();
}

constexpr const char* kMistakes[] = {
    "no-file-sync",    "no-session-sync",   "no-clone-sync",        "no-directory-sync",
    "no-middle-sync",  "no-last-sync",      "prune-first",          "remove-first",
    "cloned-revision", "link-then-remove",  "session-is-link",      "sync-unnamed",
    "copy-as-reflink", "mtime-trusted",     "every-session-counts", "stale-precache",
    "nothing-swept",   "newest-overlooked", "sweep-too-wide",       "session-swept",
    "all-xfs",         "locks-ignored",     "always-locked",        "pin-ignored"};

std::string known(const char* text) {
  if (text == nullptr || *text == '\0') return "";
  for (const char* known : kMistakes) {
    if (std::string(text) == known) return known;
  }
  std::cerr << "no such mistake: " << text << std::endl;
  std::abort();
}

std::string& planted() {
  static std::string mistake = known(std::getenv("CRASH_MISTAKE"));
  return mistake;
}

}  // namespace

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_planted(const char* mistake) {
  return planted() == mistake;
}

bool is_mistaken(const void* caller) {
  if (planted().empty()) return false;
  Dl_info where{};
  const bool is_known = ::dladdr(caller, &where) != 0;
  if (is_known && std::string(where.dli_fname).find(kLibrary) != std::string::npos) return true;
  static void* const library = ::dlopen(kLibrary, RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr;
}

void before_naming(int fd) {
  if (is_planted("sync-unnamed")) ::syscall(SYS_fsync, fd);
}

long perform_mistaken(const Call& call, const Perform& perform) {
  static std::mutex mutex;
  static Last last;
  std::unique_lock guard(mutex);
  const long result = mistaken(planted(), call, perform, last);
  if (call.kind != CallKind::sync_file && call.kind != CallKind::clone) {
    last = {call.kind, publishes(call)};
  }
  return result;
}

}  // namespace qubes::storage::crash

// For a program that looks at one thing after the other.
extern "C" void crash_plant(const char* mistake) {
  qubes::storage::crash::planted() = qubes::storage::crash::known(mistake);
}
