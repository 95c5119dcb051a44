// SPDX-License-Identifier: LGPL-2.1-or-later
// Starts all volumes of COUNT virtual machines (vm0, vm1, ...; private, root, volatile) at once,
// and measures until the last has started.
//
// usage: many DEVICE POOL threads|jobs|processes|rehearse COUNT
//   jobs: one process, one thread of its own, a job for each volume and one poll loop
//   rehearse: only starts and stops the snapshot volumes, which may leave them a precache
#include <poll.h>
#include <sys/wait.h>

#include <array>
#include <latch>
#include <map>
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

std::vector<Owned<qubes_storage_volume>> open_all(qubes_storage_pool* pool, int count) {
  std::vector<Owned<qubes_storage_volume>> volumes;
  for (int vm = 0; vm < count; ++vm) {
    for (const Disk& disk : kDisks) volumes.push_back(open_disk(pool, vm, disk));
  }
  return volumes;
}

// One process, a thread for each volume.
void start_by_threads(Measurement& measured, const std::string& pool_path, int count) {
  const auto pool = open_pool(pool_path);
  const auto volumes = open_all(pool.get(), count);
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

// Each job that has ended leaves the set that is polled.
void await(std::vector<Owned<qubes_storage_job>>& jobs) {
  std::vector<pollfd> polled;
  polled.reserve(jobs.size());
  for (const auto& job : jobs) polled.push_back({qubes_storage_job_fd(job.get()), POLLIN, 0});
  for (std::size_t left = jobs.size(); left > 0;) {
    if (::poll(polled.data(), polled.size(), -1) == -1 && errno != EINTR) {
      give_up("poll", std::strerror(errno));
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || (polled[i].revents & POLLIN) == 0) continue;
      qubes_storage_job_result(jobs[i].get(), Checked());
      polled[i].fd = -1;
      --left;
    }
  }
}

void start_by_jobs(Measurement& measured, const std::string& pool_path, int count) {
  const auto pool = open_pool(pool_path);
  const auto volumes = open_all(pool.get(), count);
  std::vector<Owned<qubes_storage_job>> jobs;
  jobs.reserve(volumes.size());
  measured.foreground([&] {
    for (const auto& volume : volumes) {
      qubes_storage_job* job = nullptr;
      qubes_storage_volume_start_async(volume.get(), 0, &job, Checked());
      jobs.emplace_back(job);
    }
    await(jobs);
  });
  jobs.clear();
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

void rehearse(Measurement& measured, const std::string& pool_path, int count) {
  const auto pool = open_pool(pool_path);
  measured.background([&] {
    for (int vm = 0; vm < count; ++vm) {
      const auto volume = open_disk(pool.get(), vm, kDisks[1]);
      start(volume.get());
      qubes_storage_volume_stop(volume.get(), 0, Checked());
    }
    qubes_storage_pool_drain(pool.get(), Checked());
  });
}

using Way = void (*)(Measurement&, const std::string& pool_path, int count);
const std::map<std::string, Way> kWays = {{"threads", start_by_threads},
                                          {"jobs", start_by_jobs},
                                          {"processes", start_by_processes},
                                          {"rehearse", rehearse}};

int run(int argc, char** argv) {
  if (argc != 5 || !kWays.contains(argv[3])) {
    (void)std::fprintf(stderr, "usage: %s DEVICE POOL threads|jobs|processes|rehearse COUNT\n",
                       argv[0]);
    return 2;
  }
  Measurement measured(argv[1]);
  kWays.at(argv[3])(measured, argv[2], std::atoi(argv[4]));
  measured.print();
  return 0;
}

}  // namespace
}  // namespace qubes::storage::bench

int main(int argc, char** argv) {
  return qubes::storage::bench::run(argc, argv);
}
