// SPDX-License-Identifier: LGPL-2.1-or-later
// The clock, the counters of a block device, and what the small programs of the bench share.
#ifndef QUBES_STORAGE_TESTS_BENCH_MEASURE_H
#define QUBES_STORAGE_TESTS_BENCH_MEASURE_H

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace qubes::storage::bench {

[[noreturn]] inline void give_up(const std::string& what, const std::string& reason) {
  (void)std::fprintf(stderr, "bench: cannot %s: %s\n", what.c_str(), reason.c_str());
  std::exit(1);
}

// The result of a system call, which must have succeeded: a time with a failure in it is none.
inline int must(int result, const std::string& what) {
  if (result == -1) give_up(what, std::strerror(errno));
  return result;
}

inline std::int64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline std::int64_t least(const std::vector<std::int64_t>& times) {
  return *std::min_element(times.begin(), times.end());
}

inline std::int64_t median(std::vector<std::int64_t> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Completed requests: fields 5 and 16 of the kernel's Documentation/block/stat.rst.
struct Requests {
  std::int64_t written = 0;
  std::int64_t flushes = 0;

  static Requests of(const std::string& device) {
    const std::string path = "/sys/block/" + device + "/stat";
    std::FILE* const file = std::fopen(path.c_str(), "re");
    if (file == nullptr) give_up("read " + path, std::strerror(errno));
    Requests found;
    if (std::fscanf(file, "%*d %*d %*d %*d %ld %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld",
                    &found.written, &found.flushes) != 2) {
      give_up("read " + path, "it has not 16 numbers");
    }
    (void)std::fclose(file);
    return found;
  }
};

// What the caller waits for, and what goes on after the answer. What is in neither is not measured.
class Measurement {
 public:
  explicit Measurement(std::string device) : device_(std::move(device)) {}

  template <typename Work>
  void foreground(Work work) {
    foreground_.add(device_, work);
  }
  template <typename Work>
  void background(Work work) {
    background_.add(device_, work);
  }

  void print() const {
    const Part total = foreground_.with(background_);
    std::printf(
        "{\"foreground\": {\"ns\": %ld, \"flushes\": %ld, \"written\": %ld}, "
        "\"total\": {\"ns\": %ld, \"flushes\": %ld, \"written\": %ld}}\n",
        foreground_.ns, foreground_.requests.flushes, foreground_.requests.written, total.ns,
        total.requests.flushes, total.requests.written);
  }

 private:
  struct Part {
    std::int64_t ns = 0;
    Requests requests;

    template <typename Work>
    void add(const std::string& device, Work work) {
      const Requests before = Requests::of(device);
      const std::int64_t begin_ns = now_ns();
      work();
      ns += now_ns() - begin_ns;
      const Requests after = Requests::of(device);
      requests.written += after.written - before.written;
      requests.flushes += after.flushes - before.flushes;
    }

    Part with(const Part& other) const {
      return {
          ns + other.ns,
          {requests.written + other.requests.written, requests.flushes + other.requests.flushes}};
    }
  };

  std::string device_;
  Part foreground_;
  Part background_;
};

}  // namespace qubes::storage::bench

#endif
