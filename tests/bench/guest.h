// SPDX-License-Identifier: LGPL-2.1-or-later
// The pool that the contestants work on, and what a virtual machine does to it. peer.py and
// images.py have the same names.
#ifndef QUBES_STORAGE_TESTS_BENCH_GUEST_H
#define QUBES_STORAGE_TESTS_BENCH_GUEST_H

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "tests/bench/measure.h"

namespace qubes::storage::bench {

inline constexpr char kTemplate[] = "vm-templates/debian/root";
inline constexpr char kPrivate[] = "appvms/work/private";
inline constexpr char kRoot[] = "appvms/work/root";  // starts from the template
inline constexpr char kVolatile[] = "appvms/work/volatile";
inline constexpr std::uint64_t kSizeBytes = std::uint64_t{2} << 30;
inline constexpr std::uint64_t kGrownBytes = kSizeBytes + (std::uint64_t{64} << 20);

// What the guest wrote last, and did not sync. Never the same: a state that is as the one before is
// no state to revert to.
inline void guest_writes(const std::string& path) {
  std::array<std::int64_t, 512> block{};
  block.fill(std::chrono::steady_clock::now().time_since_epoch().count());
  const int fd = must(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open " + path);
  must(static_cast<int>(::pwrite(fd, block.data(), sizeof block, 0)), "write " + path);
  must(::close(fd), "close " + path);
}

// An import is filled, and synced, by whoever imports; the fill is no part of the measurement.
inline void fill_import(const std::string& path, const std::string& image) {
  const int source = must(::open(image.c_str(), O_RDONLY | O_CLOEXEC), "open " + image);
  const int target = must(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open " + path);
  must(::ioctl(target, FICLONE, source), "clone into " + path);
  must(::fsync(target), "sync " + path);
  must(::close(target), "close " + path);
  must(::close(source), "close " + image);
}

}  // namespace qubes::storage::bench

#endif
