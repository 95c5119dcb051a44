// SPDX-License-Identifier: LGPL-2.1-or-later
// Pools laid out file by file: plain system calls, nothing of the library.
#include "tests/support/pool_builder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "src/fs/descriptor.h"
#include "tests/support/files.h"

namespace qubes::storage::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1704067200;  // 2024-01-01
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kFraction = 123'456'789;
constexpr char kDefaultVm[] = "appvms/work/";
constexpr std::size_t kBlock = 4096;

void check(int result, const std::string& what) {
  if (result == -1) throw std::runtime_error("cannot " + what);
}

struct stat stat_of(const std::string& path) {
  struct stat status {};
  check(::lstat(path.c_str(), &status), "stat " + path);
  return status;
}

std::int64_t mtime_ns(const struct stat& status) {
  return status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec;
}

void set_mtime(const std::string& path, std::int64_t ns) {
  const std::array<timespec, 2> times = {{{0, UTIME_OMIT}, {ns / kSecond, ns % kSecond}}};
  check(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), "set the mtime of " + path);
}

std::string utc(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

// The first block, and one in the middle.
void write_letter(const std::string& path, char letter) {
  if (letter == '-') return;
  const std::uint64_t size = size_of(path);
  for (const std::uint64_t offset : {std::uint64_t{0}, PoolBuilder::kImageBytes / 2}) {
    if (offset >= size) continue;
    write_at(path, offset, std::string(std::min<std::uint64_t>(kBlock, size - offset), letter));
  }
}

std::string content_of(char letter, std::uint64_t size_bytes) {
  std::string content(std::max<std::uint64_t>(size_bytes, PoolBuilder::kImageBytes), '\0');
  for (const std::uint64_t offset : {std::uint64_t{0}, PoolBuilder::kImageBytes / 2}) {
    content.replace(offset, kBlock, kBlock, letter);
  }
  content.resize(size_bytes);
  return content;
}

std::string letter_in(const std::string& path) {
  const std::string content = read_file(path);
  std::string shown = "?";
  if (content.find_first_not_of('\0') == std::string::npos) {
    shown = "-";
  } else if (content == content_of(content.front(), content.size())) {
    shown = content.front();
  }
  if (content.size() != PoolBuilder::kImageBytes) shown += '/' + std::to_string(content.size());
  return shown;
}

bool is_stale(const std::string& precache) {
  const std::string clean = precache.substr(0, precache.rfind("-precache.img")) + ".img";
  if (!exists(clean)) return true;
  const auto a = stat_of(precache);
  const auto b = stat_of(clean);
  return a.st_size != b.st_size || mtime_ns(a) != mtime_ns(b) || a.st_nlink != 1;
}

std::string shown_name(std::string name) {
  if (name.starts_with(kDefaultVm)) name.erase(0, sizeof kDefaultVm - 1);
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    const auto at = name.find(utc_of(letter));
    if (at != std::string::npos) name.replace(at, utc_of(letter).size(), 1, letter);
  }
  return name;
}

using InodeNames = std::map<ino_t, std::string>;

std::string describe(const std::string& path, const std::string& relative, InodeNames& seen) {
  const struct stat status = stat_of(path);
  std::string line = shown_name(relative);
  if (S_ISDIR(status.st_mode)) return line + '/';
  if (!S_ISREG(status.st_mode)) return line + " (no file)";
  line += ' ' + letter_in(path);
  const auto [first, is_new] = seen.emplace(status.st_ino, shown_name(relative));
  if (!is_new) line += " =" + first->second;
  if (path.ends_with("-precache.img") && is_stale(path)) line += " (stale)";
  return line;
}

}  // namespace

std::int64_t mtime_of(char letter) {
  return (kStart + (letter - 'A' + 1) * kHour) * kSecond + kFraction;
}

std::string utc_of(char letter) {
  return utc(mtime_of(letter) / kSecond);
}

PoolBuilder::PoolBuilder(const LoopMount& mount) : scratch_(mount) {
  directory("appvms").directory("vm-templates");
}

PoolBuilder& PoolBuilder::volume(const std::string& vid) {
  vid_ = vid;
  return *this;
}

PoolBuilder& PoolBuilder::directory(const std::string& relative) {
  std::filesystem::create_directories(*this / relative);
  return *this;
}

PoolBuilder& PoolBuilder::put(const std::string& target, char letter, std::uint64_t size_bytes) {
  std::filesystem::create_directories(std::filesystem::path(target).parent_path());
  if (exists(target)) throw std::runtime_error("there is " + target + " already");
  write_file(target, {});
  check(::chmod(target.c_str(), 0600), "set the mode of " + target);
  check(::truncate(target.c_str(), static_cast<off_t>(size_bytes)), "grow " + target);
  write_letter(target, letter);
  set_mtime(target, mtime_of(letter == '-' ? 'A' : letter));
  return *this;
}

PoolBuilder& PoolBuilder::image(const std::string& suffix, char letter, std::uint64_t size_bytes) {
  return put(file(suffix), letter, size_bytes);
}

PoolBuilder& PoolBuilder::clean(char letter, std::uint64_t size_bytes) {
  return image(".img", letter, size_bytes);
}

PoolBuilder& PoolBuilder::dirty(char letter, std::uint64_t size_bytes) {
  return image("-dirty.img", letter, size_bytes);
}

PoolBuilder& PoolBuilder::import(char letter, std::uint64_t size_bytes) {
  return image("-import.img", letter, size_bytes);
}

PoolBuilder& PoolBuilder::temporary(const std::string& suffix, char letter,
                                    std::uint64_t size_bytes) {
  return image(suffix + "~k3_x9ab" + std::to_string(temporaries_++ % 10), letter, size_bytes);
}

PoolBuilder& PoolBuilder::foreign(const std::string& relative, char letter) {
  return put(*this / relative, letter, kImageBytes);
}

std::string PoolBuilder::revision_suffix(int number, const std::string& time) const {
  return ".img." + std::to_string(number) + '@' + time;
}

PoolBuilder& PoolBuilder::revision(int number, char letter) {
  const std::string suffix = revision_suffix(number, utc_of(letter));
  image(suffix, letter);
  // Made when the next letter was committed.
  set_mtime(file(suffix), mtime_of(letter) + kHour / 2 * kSecond);
  return *this;
}

// FICLONE, or the same bytes.
PoolBuilder& PoolBuilder::clone(const std::string& suffix, bool with_mtime) {
  const std::string source = file(".img");
  const std::string target = file(suffix);
  const struct stat status = stat_of(source);
  put(target, '-', 0);
  {
    const UniqueFd from = open_at(AT_FDCWD, source.c_str(), O_RDONLY);
    const UniqueFd to = open_at(AT_FDCWD, target.c_str(), O_RDWR);
    if (::ioctl(to.get(), FICLONE, from.get()) == -1) {
      check(::ftruncate(to.get(), status.st_size), "grow " + target);
      write_letter(target, read_file(source).front());
    }
  }
  set_mtime(target, mtime_ns(status) + (with_mtime ? 0 : kHour / 2 * kSecond));
  return *this;
}

PoolBuilder& PoolBuilder::peer_revision(int number) {
  return clone(revision_suffix(number, utc(stat_of(file(".img")).st_mtim.tv_sec)), false);
}

PoolBuilder& PoolBuilder::our_revision(int number) {
  return link(".img", revision_suffix(number, utc(stat_of(file(".img")).st_mtim.tv_sec)));
}

PoolBuilder& PoolBuilder::link_from(const std::string& source_vid) {
  std::filesystem::create_directories(std::filesystem::path(file("")).parent_path());
  check(::link((*this / (source_vid + ".img")).c_str(), file(".img").c_str()),
        "link " + source_vid);
  return *this;
}

PoolBuilder& PoolBuilder::unlink(const std::string& suffix) {
  check(::unlink(file(suffix).c_str()), "unlink " + suffix);
  return *this;
}

PoolBuilder& PoolBuilder::rename(const std::string& from, const std::string& to) {
  check(::rename(file(from).c_str(), file(to).c_str()), "rename " + from);
  return *this;
}

PoolBuilder& PoolBuilder::link(const std::string& from, const std::string& to) {
  check(::link(file(from).c_str(), file(to).c_str()), "link " + from);
  return *this;
}

PoolBuilder& PoolBuilder::write(const std::string& suffix, char letter) {
  write_letter(file(suffix), letter);
  set_mtime(file(suffix), mtime_of(letter));
  return *this;
}

std::string PoolBuilder::observe() const {
  namespace stdfs = std::filesystem;
  std::vector<std::string> names;
  for (const auto& entry : stdfs::recursive_directory_iterator(path())) {
    const std::string relative = stdfs::relative(entry.path(), path());
    const bool is_prefix = relative == "appvms" || relative == "vm-templates";
    const bool is_full = entry.is_directory() && !stdfs::is_empty(entry.path());
    if (!is_prefix && !is_full) names.push_back(relative);
  }
  std::sort(names.begin(), names.end());
  InodeNames seen;
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + describe(*this / name, name, seen);
  }
  return text;
}

}  // namespace qubes::storage::test
