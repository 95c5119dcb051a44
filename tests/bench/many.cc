// SPDX-License-Identifier: LGPL-2.1-or-later
// Starts all volumes of COUNT virtual machines (vm0, vm1, ...; private, root, volatile) at once,
// and measures until the last has started.
//
// usage: many DEVICE POOL threads|processes COUNT
#include <poll.h>
#include <sys/wait.h>

#include <array>
#include <latch>
#include <thread>

#include "tests/bench/session.h"

namespace qubes::storage::bench {
namespace {

struct Disk {
  const char* name;
  Kind kind;
};
constexpr std::array<Disk, 3> kDisks = {
    {{"private", Kind::origin}, {"root", Kind::snapshot}, {"volatile", Kind::scratch}}};

Owned<qubes_storage_volume> open_disk(qubes_storage_pool* pool, int vm, const Disk& disk) {
  return open_volume(pool, "appvms/vm" + std::to_string(vm) + "/" + disk.name, disk.kind);
}

void start(qubes_storage_volume* volume) {
  qubes_storage_volume_start(volume, 0, Checked());
}

// One process, a thread for each volume.
void start_by_threads(Measurement& measured, const std::string& pool_path, int count) {
  const auto pool = open_pool(pool_path);
  std::vector<Owned<qubes_storage_volume>> volumes;
  for (int vm = 0; vm < count; ++vm) {
    for (const Disk& disk : kDisks) volumes.push_back(open_disk(pool.get(), vm, disk));
  }
  std::latch go(1);
  std::vector<std::thread> threads;
  threads.reserve(volumes.size());
  for (const auto& volume : volumes) {
    threads.emplace_back([&go, &volume] {
      go.wait();
      start(volume.get());
    });
  }
  measured.foreground([&] {
    go.count_down();
    for (std::thread& thread : threads) thread.join();
  });
  measured.background([&] { qubes_storage_pool_drain(pool.get(), Checked()); });
}

// A process for each virtual machine, which starts its volumes in turn; they wait for the closing
// of the pipe. What each has in the background, it finishes itself.
[[noreturn]] void be_one_process(int go, const std::string& pool_path, int vm) {
  pollfd closed{go, 0, 0};
  while (::poll(&closed, 1, -1) == -1) {
    if (errno != EINTR) give_up("wait", std::strerror(errno));
  }
  {
    const auto pool = open_pool(pool_path);
    for (const Disk& disk : kDisks) start(open_disk(pool.get(), vm, disk).get());
  }
  ::_exit(0);
}

void start_by_processes(Measurement& measured, const std::string& pool_path, int count) {
  std::array<int, 2> go{};
  must(::pipe2(go.data(), O_CLOEXEC), "make a pipe");
  for (int vm = 0; vm < count; ++vm) {
    if (must(::fork(), "fork") != 0) continue;
    ::close(go[1]);
    be_one_process(go[0], pool_path, vm);
  }
  measured.foreground([&] {
    ::close(go[1]);
    for (int ended = 0; ended < count; ++ended) {
      int status = 0;
      must(::wait(&status), "wait");
      if (status != 0) give_up("start", "one of the processes failed");
    }
  });
}

int run(int argc, char** argv) {
  const std::string way = argc == 5 ? argv[3] : "";
  if (way != "threads" && way != "processes") {
    (void)std::fprintf(stderr, "usage: %s DEVICE POOL threads|processes COUNT\n", argv[0]);
    return 2;
  }
  Measurement measured(argv[1]);
  const int count = std::atoi(argv[4]);
  if (way == "threads") {
    start_by_threads(measured, argv[2], count);
  } else {
    start_by_processes(measured, argv[2], count);
  }
  measured.print();
  return 0;
}

}  // namespace
}  // namespace qubes::storage::bench

int main(int argc, char** argv) {
  return qubes::storage::bench::run(argc, argv);
}
