// SPDX-License-Identifier: LGPL-2.1-or-later
// What does a clone in pieces cost? Clones SOURCE, by one FICLONE and by FICLONERANGE in pieces of
// each SIZE (MiB), in turn, ROUNDS times; prints the least time of each and what the pieces lose.
//
// usage: clone_pieces SOURCE DIRECTORY ROUNDS SIZE...
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "tests/bench/measure.h"

namespace qubes::storage::bench {
namespace {

struct Way {
  std::uint64_t piece_bytes;  // 0: the whole file by one FICLONE
  std::vector<std::int64_t> times_ns = {};
  std::vector<std::int64_t> cpu_ns = {};
  std::int64_t longest_piece_ns = 0;
};

void clone_whole(int source, int target) {
  must(::ioctl(target, FICLONE, source), "FICLONE");
}

std::int64_t clone_by_pieces(int source, int target, std::uint64_t size, std::uint64_t piece) {
  std::int64_t longest_ns = 0;
  for (std::uint64_t at = 0; at < size; at += piece) {
    const std::int64_t begin_ns = now_ns();
    file_clone_range range{source, at, std::min(piece, size - at), at};
    must(::ioctl(target, FICLONERANGE, &range), "FICLONERANGE");
    longest_ns = std::max(longest_ns, now_ns() - begin_ns);
  }
  return longest_ns;
}

// Until the blocks of what was unlinked are free: XFS frees them in a thread of its own, which
// would hold up the clone that is measured next.
void settle(int directory) {
  constexpr timespec kMoment = {0, 50'000'000};
  constexpr int kMoments = 4;
  std::uint64_t before = 0;
  for (int unchanged = 0; unchanged < kMoments;) {
    must(::syncfs(directory), "sync");
    struct statvfs found {};
    must(::fstatvfs(directory, &found), "look at the space");
    unchanged = found.f_bfree == before ? unchanged + 1 : 0;
    before = found.f_bfree;
    ::nanosleep(&kMoment, nullptr);
  }
}

void measure(Way& way, int source, const std::string& path, std::uint64_t size) {
  const int target = must(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600), "create target");
  const std::int64_t begin_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
  const std::int64_t begin_ns = now_ns();
  if (way.piece_bytes == 0) {
    clone_whole(source, target);
    way.longest_piece_ns = std::max(way.longest_piece_ns, now_ns() - begin_ns);
  } else {
    const std::int64_t piece_ns = clone_by_pieces(source, target, size, way.piece_bytes);
    way.longest_piece_ns = std::max(way.longest_piece_ns, piece_ns);
  }
  way.times_ns.push_back(now_ns() - begin_ns);
  way.cpu_ns.push_back(now_ns(CLOCK_THREAD_CPUTIME_ID) - begin_cpu_ns);
  must(::unlink(path.c_str()), "unlink target");
  must(::close(target), "close target");
  settle(source);
}

double loss(std::int64_t pieces_ns, std::int64_t whole_ns) {
  return static_cast<double>(pieces_ns) / static_cast<double>(whole_ns) - 1;
}

void print(const std::vector<Way>& ways) {
  const Way& whole = ways.front();
  std::printf("[");
  for (const Way& way : ways) {
    std::printf(
        "%s{\"piece_mib\": %llu, \"least_ns\": %lld, \"median_ns\": %lld, "
        "\"least_cpu_ns\": %lld, \"longest_piece_ns\": %lld, "
        "\"loss\": %.4f, \"loss_median\": %.4f, \"loss_cpu\": %.4f}",
        &way == &whole ? "" : ",\n ", static_cast<unsigned long long>(way.piece_bytes >> 20),
        static_cast<long long>(least(way.times_ns)), static_cast<long long>(median(way.times_ns)),
        static_cast<long long>(least(way.cpu_ns)), static_cast<long long>(way.longest_piece_ns),
        loss(least(way.times_ns), least(whole.times_ns)),
        loss(median(way.times_ns), median(whole.times_ns)),
        loss(least(way.cpu_ns), least(whole.cpu_ns)));
  }
  std::printf("]\n");
}

int run(int argc, char** argv) {
  if (argc < 5) {
    (void)std::fprintf(stderr, "usage: %s SOURCE DIRECTORY ROUNDS SIZE_MIB...\n", argv[0]);
    return 2;
  }
  const int source = must(::open(argv[1], O_RDONLY), "open source");
  struct stat status {};
  must(::fstat(source, &status), "look at source");
  std::vector<Way> ways = {{0}};
  for (int i = 4; i < argc; ++i) ways.push_back({std::strtoull(argv[i], nullptr, 10) << 20});
  const std::string path = std::string(argv[2]) + "/clone-pieces";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  Way rehearsal{0};  // the first clone of an image finds its extents unshared, the others do not
  measure(rehearsal, source, path, size);
  for (int round = std::atoi(argv[3]); round > 0; --round) {
    for (Way& way : ways) measure(way, source, path, size);
    std::rotate(ways.begin(), ways.begin() + 1, ways.end());  // who comes first may matter
  }
  std::sort(ways.begin(), ways.end(),
            [](const Way& a, const Way& b) { return a.piece_bytes < b.piece_bytes; });
  print(ways);
  return 0;
}

}  // namespace
}  // namespace qubes::storage::bench

int main(int argc, char** argv) {
  return qubes::storage::bench::run(argc, argv);
}
