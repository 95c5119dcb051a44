// SPDX-License-Identifier: LGPL-2.1-or-later
// One operation by the bare system calls, measured: what src/protocols.cc does on this filesystem,
// in its order, with the syncs that give the same guarantee, and nothing else. No lock, no sweep,
// no look at what is there; names are known before the clock runs. Without the library.
//
// usage: bare DEVICE POOL OPERATION [IMAGE]     (IMAGE: what an import brings)
#include <dirent.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <functional>
#include <map>
#include <utility>

#include "tests/bench/guest.h"

namespace qubes::storage::bench {
namespace {

// One volume: its names in the directory of its VM.
class Bare {
 public:
  Bare(const std::string& pool, const std::string& vid, Measurement& measured_in)
      : measured(measured_in),
        path(pool + "/" + vid),
        volume_(vid.substr(vid.rfind('/') + 1)),
        vm_(path.substr(0, path.rfind('/'))),
        directory_(open_directory(vm_)) {
    struct statfs found {};
    must(::fstatfs(directory_, &found), "look at " + vm_);
    ordered_ = found.f_type != BTRFS_SUPER_MAGIC;
    find_revisions();
  }

  std::string name(const char* suffix) const { return volume_ + suffix; }
  bool has(const std::string& name) const {
    return ::faccessat(directory_, name.c_str(), F_OK, 0) == 0;
  }
  const std::string& only_revision() const { return revision_; }
  const std::string& next_revision() const { return next_revision_; }

  // ---- Names ----

  void rename(const std::string& from, const std::string& to) {
    keep(to);
    must(::renameat(directory_, from.c_str(), directory_, to.c_str()), "rename " + from);
  }
  void unlink(const std::string& name) {
    keep(name);
    must(::unlinkat(directory_, name.c_str(), 0), "unlink " + name);
  }
  void link(const std::string& from, const std::string& to) {
    must(::linkat(directory_, from.c_str(), directory_, to.c_str(), 0), "link " + from);
  }
  void link_from(const std::string& other_path, const std::string& to) {
    must(::linkat(AT_FDCWD, other_path.c_str(), directory_, to.c_str(), 0), "link " + other_path);
  }
  void settle() { must(::fsync(directory_), "sync directory"); }
  // Btrfs may make any subset of the unsynced names durable.
  void barrier() {
    if (!ordered_) settle();
  }
  void remove_directory() {
    must(::rmdir(vm_.c_str()), "remove " + vm_);
    const int parent = open_directory(vm_.substr(0, vm_.rfind('/')));
    must(::fsync(parent), "sync directory");
    must(::close(parent), "close");
  }

  // ---- Files ----

  int open(const std::string& name, int flags) const {
    return must(::openat(directory_, name.c_str(), flags | O_CLOEXEC), "open " + name);
  }
  int unnamed() const {
    return must(::openat(directory_, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "create a file");
  }
  void give_name(int file, const std::string& name) const {
    must(::linkat(file, "", directory_, name.c_str(), AT_EMPTY_PATH), "link " + name);
  }
  void sync(const std::string& name) const {
    const int file = open(name, O_RDONLY);
    must(::fsync(file), "sync " + name);
    must(::close(file), "close " + name);
  }
  static void clone(int source, int target) { must(::ioctl(target, FICLONE, source), "clone"); }

  // A clone of `from` under the name `to`, with the mtime that makes a precache valid.
  void publish_clone(const std::string& from, const std::string& to) {
    const int source = open(from, O_RDONLY);
    const int target = unnamed();
    clone(source, target);
    struct stat status {};
    must(::fstat(source, &status), "look at " + from);
    const timespec times[2] = {{0, UTIME_OMIT}, status.st_mtim};
    must(::futimens(target, times), "set the time");
    const std::string temporary = to + "~bare";
    give_name(target, temporary);
    must(::fsync(target), "sync " + to);
    must(::close(target), "close " + to);
    must(::close(source), "close " + from);
    must(::renameat(directory_, temporary.c_str(), directory_, to.c_str()), "rename to " + to);
  }

  // What may happen after the answer: freeing what has no name any more, and the next precache.
  void free_later() {
    measured.background([&] {
      for (const int file : kept_) must(::close(file), "close");
      kept_.clear();
    });
  }
  void precache_later() {
    measured.background([&] { publish_clone(name(".img"), name("-precache.img")); });
    free_later();
  }

  Measurement& measured;
  const std::string path;

 private:
  static int open_directory(const std::string& path) {
    return must(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path);
  }

  // Without a descriptor the unlink itself would free the blocks: 0.7 s at 100,000 extents on
  // Btrfs.
  void keep(const std::string& name) {
    const int file = ::openat(directory_, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file != -1) kept_.push_back(file);
  }

  void find_revisions() {
    int highest = 0;
    DIR* const stream = ::opendir(vm_.c_str());
    if (stream == nullptr) give_up("list " + vm_, std::strerror(errno));
    while (const dirent* const entry = ::readdir(stream)) {
      const std::string found = entry->d_name;
      if (!found.starts_with(volume_ + ".img.")) continue;
      const int number = std::atoi(found.c_str() + volume_.size() + 5);
      if (number > highest) revision_ = found;
      highest = std::max(highest, number);
    }
    ::closedir(stream);
    next_revision_ = volume_ + ".img." + std::to_string(highest + 1) + "@2026-01-01T00:00:00Z";
  }

  std::string volume_;
  std::string vm_;
  int directory_;
  bool ordered_ = true;
  std::string revision_;       // the highest, "" for none
  std::string next_revision_;  // a new one
  std::vector<int> kept_;
};

// ---- Origins ------------------------------------------------------------------------------------

void start(Bare& at) {
  const bool cached = at.has(at.name("-precache.img"));
  at.measured.foreground([&] {
    if (cached) {
      at.rename(at.name("-precache.img"), at.name("-dirty.img"));
    } else {
      at.publish_clone(at.name(".img"), at.name("-dirty.img"));
    }
    at.settle();
  });
}

void commit(Bare& at, const char* from) {
  at.sync(at.name(from));
  at.link(at.name(".img"), at.next_revision());
  at.barrier();
  at.rename(at.name(from), at.name(".img"));
  at.settle();
  if (!at.only_revision().empty()) at.unlink(at.only_revision());
}

void stop(Bare& at) {
  guest_writes(at.path + "-dirty.img");
  at.measured.foreground([&] { commit(at, "-dirty.img"); });
  at.precache_later();
}

void discard(Bare& at) {
  at.measured.foreground([&] {
    at.unlink(at.name("-dirty.img"));
    at.settle();
  });
  at.precache_later();
}

void revert(Bare& at) {
  at.measured.foreground([&] {
    at.unlink(at.name("-precache.img"));
    at.link(at.name(".img"), at.next_revision());
    at.barrier();
    at.rename(at.only_revision(), at.name(".img"));
    at.settle();
  });
  at.precache_later();
}

void resize(Bare& at) {
  at.measured.foreground([&] {
    const int file = at.open(at.name("-precache.img"), O_RDWR);
    must(::ftruncate(file, kGrownBytes), "resize");
    must(::fsync(file), "sync");
    must(::close(file), "close");
    at.rename(at.name("-precache.img"), at.name(".img"));
    at.settle();
  });
  at.precache_later();
}

void prune(Bare& at) {
  at.measured.foreground([&] {
    at.barrier();
    at.unlink(at.only_revision());
    at.settle();
  });
  at.free_later();
}

void remove(Bare& at) {
  const bool cached = at.has(at.name("-precache.img"));
  at.measured.foreground([&] {
    if (!at.only_revision().empty()) at.unlink(at.only_revision());
    if (cached) at.unlink(at.name("-precache.img"));
    at.barrier();
    at.unlink(at.name(".img"));
    at.remove_directory();
  });
  at.free_later();
}

void import(Bare& at, const std::string& image) {
  at.measured.foreground([&] {
    const int file = at.unnamed();
    must(::ftruncate(file, kSizeBytes), "resize");
    at.give_name(file, at.name("-import.img"));
    must(::close(file), "close");
  });
  fill_import(at.path + "-import.img", image);
  const bool cached = at.has(at.name("-precache.img"));
  at.measured.foreground([&] {
    if (cached) at.unlink(at.name("-precache.img"));
    commit(at, "-import.img");
  });
  at.precache_later();
}

// ---- Sessions that are thrown away: nothing is synced -------------------------------------------

void start_snapshot(Bare& at, const std::string& source_path) {
  const bool cached = at.has(at.name("-precache.img"));
  const bool named = at.has(at.name(".img"));
  at.measured.foreground([&] {
    if (cached) {
      at.rename(at.name("-precache.img"), at.name("-dirty.img"));
      return;
    }
    if (named) at.unlink(at.name(".img"));
    const int source = must(::open(source_path.c_str(), O_RDONLY | O_CLOEXEC), "open source");
    const int target = at.unnamed();
    Bare::clone(source, target);
    at.give_name(target, at.name("-dirty.img"));
    at.link_from(source_path, at.name(".img"));
    must(::close(target), "close");
    must(::close(source), "close");
  });
}

void start_volatile(Bare& at) {
  at.measured.foreground([&] {
    const int file = at.unnamed();
    must(::ftruncate(file, kSizeBytes), "resize");
    at.give_name(file, at.name("-dirty.img"));
    must(::close(file), "close");
  });
}

void stop_unsaved(Bare& at) {
  const bool named = at.has(at.name(".img"));
  at.measured.foreground([&] {
    if (named) at.unlink(at.name(".img"));
    at.unlink(at.name("-dirty.img"));
  });
  at.free_later();
}

// ---- The command line ---------------------------------------------------------------------------

struct Operation {
  const char* vid;
  std::function<void(Bare&, const std::string& pool, const std::string& image)> run;
};

std::function<void(Bare&, const std::string&, const std::string&)> simple(void (*run)(Bare&)) {
  return [run](Bare& at, const std::string&, const std::string&) { run(at); };
}

const std::map<std::string, Operation> kOperations = {
    {"start", {kPrivate, simple(start)}},
    {"stop", {kPrivate, simple(stop)}},
    {"discard", {kPrivate, simple(discard)}},
    {"revert", {kPrivate, simple(revert)}},
    {"resize", {kPrivate, simple(resize)}},
    {"prune", {kPrivate, simple(prune)}},
    {"remove", {kPrivate, simple(remove)}},
    {"import",
     {kPrivate, [](Bare& at, const std::string&, const std::string& image) { import(at, image); }}},
    {"start-snapshot",
     {kRoot, [](Bare& at, const std::string& pool,
                const std::string&) { start_snapshot(at, pool + "/" + kTemplate + ".img"); }}},
    {"stop-snapshot", {kRoot, simple(stop_unsaved)}},
    {"start-volatile", {kVolatile, simple(start_volatile)}},
    {"stop-volatile", {kVolatile, simple(stop_unsaved)}},
};

int run(int argc, char** argv) {
  if (argc < 4 || !kOperations.contains(argv[3])) {
    (void)std::fprintf(stderr, "usage: %s DEVICE POOL OPERATION [IMAGE]\n", argv[0]);
    return 2;
  }
  const Operation& operation = kOperations.at(argv[3]);
  Measurement measured(argv[1]);
  Bare at(argv[2], operation.vid, measured);
  operation.run(at, argv[2], argc > 4 ? argv[4] : "");
  measured.print();
  return 0;
}

}  // namespace
}  // namespace qubes::storage::bench

int main(int argc, char** argv) {
  return qubes::storage::bench::run(argc, argv);
}
