// SPDX-License-Identifier: LGPL-2.1-or-later
// One operation of the library on the pool that is there, by the C API, measured.
//
// usage: ours DEVICE POOL OPERATION [IMAGE]     (IMAGE: what an import brings)
#include <functional>
#include <map>

#include "tests/bench/session.h"

namespace qubes::storage::bench {
namespace {

struct Contest {
  Measurement& measured;
  qubes_storage_pool* pool;
  std::string image;

  Owned<qubes_storage_volume> volume(const char* vid, Kind kind) const {
    return open_volume(pool, vid, kind);
  }

  void drain() const {
    measured.background([&] { qubes_storage_pool_drain(pool, Checked()); });
  }

  template <typename Verb, typename... Inputs>
  void run(Verb verb, const char* vid, Kind kind, Inputs... inputs) const {
    const auto handle = volume(vid, kind);
    measured.foreground([&] { verb(handle.get(), inputs..., 0, Checked()); });
    drain();
  }
};

void start(const Contest& contest) {
  contest.run(qubes_storage_volume_start, kPrivate, Kind::origin);
}

void stop(const Contest& contest) {
  guest_writes(qubes_storage_volume_path(contest.volume(kPrivate, Kind::origin).get()));
  contest.run(qubes_storage_volume_stop, kPrivate, Kind::origin);
}

void import(const Contest& contest) {
  const auto handle = contest.volume(kPrivate, Kind::origin);
  qubes_storage_volume* const volume = handle.get();
  contest.measured.foreground(
      [&] { qubes_storage_volume_import_begin(volume, kSizeBytes, 0, Checked()); });
  fill_import(qubes_storage_volume_import_path(volume), contest.image);
  contest.measured.foreground([&] { qubes_storage_volume_import_end(volume, 1, 0, Checked()); });
  contest.drain();
}

// A copy, where IMAGE lies on another filesystem.
void import_file(const Contest& contest) {
  const auto handle = contest.volume(kPrivate, Kind::origin);
  const int source = must(::open(contest.image.c_str(), O_RDONLY | O_CLOEXEC), "open image");
  contest.measured.foreground([&] {
    qubes_storage_volume_import_fd(handle.get(), source, QUBES_STORAGE_UNKNOWN, nullptr, nullptr, 0,
                                   Checked());
  });
  must(::close(source), "close image");
  contest.drain();
}

void list(const Contest& contest) {
  contest.measured.foreground([&] {
    qubes_storage_volumes* volumes = nullptr;
    qubes_storage_pool_list(contest.pool, &volumes, Checked());
    qubes_storage_volumes_unref(volumes);
  });
}

void start_snapshot(const Contest& contest) {
  contest.run(qubes_storage_volume_start, kRoot, Kind::snapshot);
}

void stop_snapshot(const Contest& contest) {
  contest.run(qubes_storage_volume_stop, kRoot, Kind::snapshot);
}

void start_volatile(const Contest& contest) {
  contest.run(qubes_storage_volume_start, kVolatile, Kind::scratch);
}

void stop_volatile(const Contest& contest) {
  contest.run(qubes_storage_volume_stop, kVolatile, Kind::scratch);
}

// All disks of one virtual machine.
void cycle(const Contest& contest) {
  start(contest);
  start_snapshot(contest);
  start_volatile(contest);
  stop(contest);
  stop_snapshot(contest);
  stop_volatile(contest);
}

const std::map<std::string, std::function<void(const Contest&)>> kOperations = {
    {"start", start},
    {"stop", stop},
    {"discard", [](auto& it) { it.run(qubes_storage_volume_discard, kPrivate, Kind::origin); }},
    {"revert", [](auto& it) { it.run(qubes_storage_volume_revert, kPrivate, Kind::origin, 0u); }},
    {"resize",
     [](auto& it) { it.run(qubes_storage_volume_resize, kPrivate, Kind::origin, kGrownBytes); }},
    {"prune", [](auto& it) { it.run(qubes_storage_volume_prune, kPrivate, Kind::origin, 0); }},
    {"remove", [](auto& it) { it.run(qubes_storage_volume_remove, kPrivate, Kind::origin); }},
    {"import", import},
    {"import-file", import_file},
    {"list", list},
    {"start-snapshot", start_snapshot},
    {"stop-snapshot", stop_snapshot},
    {"start-volatile", start_volatile},
    {"stop-volatile", stop_volatile},
    {"cycle", cycle},
};

// A daemon has run operations before: the code is in memory, the thread of the pool is there. On
// the disk nothing is left of it.
void warm_up(qubes_storage_pool* pool, const std::string& pool_path) {
  const auto volume = open_volume(pool, "appvms/warm-up/volatile", Kind::scratch);
  qubes_storage_volume_start(volume.get(), 0, Checked());
  qubes_storage_volume_stop(volume.get(), 0, Checked());
  qubes_storage_volume_remove(volume.get(), 0, Checked());
  qubes_storage_pool_drain(pool, Checked());
  const int directory = must(::open(pool_path.c_str(), O_RDONLY | O_CLOEXEC), "open " + pool_path);
  must(::syncfs(directory), "sync " + pool_path);
  must(::close(directory), "close " + pool_path);
}

int run(int argc, char** argv) {
  if (argc < 4 || !kOperations.contains(argv[3])) {
    (void)std::fprintf(stderr, "usage: %s DEVICE POOL OPERATION [IMAGE]\noperations:", argv[0]);
    for (const auto& [name, unused] : kOperations) (void)std::fprintf(stderr, " %s", name.c_str());
    (void)std::fprintf(stderr, "\n");
    return 2;
  }
  Measurement measured(argv[1]);
  const auto pool = open_pool(argv[2]);
  warm_up(pool.get(), argv[2]);
  kOperations.at(argv[3])({measured, pool.get(), argc > 4 ? argv[4] : ""});
  measured.print();
  return 0;
}

}  // namespace
}  // namespace qubes::storage::bench

int main(int argc, char** argv) {
  return qubes::storage::bench::run(argc, argv);
}
