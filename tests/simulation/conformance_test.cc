// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps the simulated filesystem honest: the same calls, made on it and on a real directory, get
// the same answers.
#define BOOST_TEST_MODULE simulation
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "tests/simulation/simulated_filesystem.h"
#include "tests/support/files.h"

namespace qubes::storage::simulation {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c"};

// One of the two, with what the seam does not have: a guest that writes.
class Side {
 public:
  virtual ~Side() = default;
  virtual void write(const std::string& name) = 0;

  std::shared_ptr<Filesystem> fs;
  DirectoryPtr directory;
  std::vector<FilePtr> open;
};

class RealSide final : public Side {
 public:
  RealSide() : path_((std::filesystem::temp_directory_path() / "qubes-storage-XXXXXX").string()) {
    BOOST_REQUIRE(mkdtemp(path_.data()) != nullptr);
    fs = real_filesystem();
    directory = fs->open_directory(path_);
  }
  ~RealSide() override {
    open.clear();
    std::filesystem::remove_all(path_);
  }
  void write(const std::string& name) override {
    const auto size = test::size_of(path_ + '/' + name);
    test::write_at(path_ + '/' + name, 0,
                   std::string(size, static_cast<char>('A' + writes_++ % 50)));
  }

 private:
  std::string path_;
  int writes_ = 0;
};

class SimulatedSide final : public Side {
 public:
  SimulatedSide() {
    Disk disk;
    disk.link(kRoot, "d", disk.create(true));
    auto simulated = std::make_shared<SimulatedFilesystem>(disk, model_of("xfs"));
    simulated_ = simulated.get();
    fs = simulated;
    directory = fs->open_directory("/d");
  }
  void write(const std::string& name) override { simulated_->write("/d/" + name); }

 private:
  SimulatedFilesystem* simulated_ = nullptr;
};

std::string state_of(Side& side) {
  std::vector<std::string> names = side.fs->list(*side.directory);
  std::sort(names.begin(), names.end());
  std::string text;
  for (std::string name : names) {
    const FileStatus status = *side.fs->status(*side.directory, name);
    if (name.size() > 9 && name[name.size() - 9] == '~') name.resize(name.size() - 8);
    text += status.is_directory ? name + "/\n"
                                : name + ' ' + std::to_string(status.size_bytes) + ' ' +
                                      std::to_string(status.link_count) + '\n';
    for (const std::string& other : names) {
      if (name.find('~') != std::string::npos || other.find('~') != std::string::npos) continue;
      const FileStatus second = *side.fs->status(*side.directory, other);
      if (!status.is_regular || !second.is_regular) continue;
      FilePtr a = side.fs->open_file(*side.directory, name, Access::read);
      FilePtr b = side.fs->open_file(*side.directory, other, Access::read);
      text += "  " + other + (status.same_inode(second) ? " same inode" : "") +
              (side.fs->same_content(*a, *b) ? " same content" : "") + '\n';
    }
  }
  return text;
}

// One call, drawn from the numbers; what it answered.
std::string call(Side& side, unsigned verb, const std::string& a, const std::string& b,
                 unsigned n) {
  Filesystem& fs = *side.fs;
  Directory& directory = *side.directory;
  auto file = [&]() { return fs.open_file(directory, a, Access::read_write); };
  switch (verb) {
    case 0:
      return fs.make_directory(directory, a) ? "made" : "taken";
    case 1:
      return fs.remove_directory(directory, a) ? "removed" : "not removed";
    case 2: {
      FilePtr fresh = fs.create_unnamed(directory, a);
      fs.set_size(*fresh, n * kBlockBytes);
      fs.link_unnamed(*fresh, directory, a);
      return "linked";
    }
    case 3: {
      FilePtr fresh = fs.create_unnamed(directory, a);
      const std::string name = fs.link_temporary(*fresh, directory, a);
      fs.rename(directory, name, a);
      return name.substr(0, name.size() - 8);
    }
    case 4:
      fs.link(directory, a, directory, b);
      return "linked";
    case 5:
      return fs.rename(directory, a, b) ? "renamed over something" : "renamed";
    case 6:
      return fs.unlink(directory, a) ? "removed" : "nothing";
    case 7:
      fs.set_size(*file(), n * kBlockBytes);
      return "set";
    case 8: {
      fs.set_mtime(*file(), static_cast<std::int64_t>(n) * 1'000'000'000);
      return std::to_string(fs.status(directory, a)->mtime_ns);
    }
    case 9: {
      constexpr std::int64_t kBefore = 7'000'000'000;
      if (fs.status(*file()).size_bytes == 0) return "nothing to write";
      fs.set_mtime(*file(), kBefore);
      side.write(a);
      fs.sync(*file());
      return fs.status(directory, a)->mtime_ns == kBefore ? "same mtime" : "new mtime";
    }
    case 10: {
      FilePtr source = fs.open_file(directory, b, Access::read);
      FilePtr target = fs.create_unnamed(directory, a);
      fs.clone(*source, *target, nullptr);
      fs.link_unnamed(*target, directory, a);
      return "cloned";
    }
    case 11: {
      side.open.push_back(file());
      const LockMode mode = n % 2 == 0 ? LockMode::shared : LockMode::exclusive;
      return fs.try_lock(*side.open.back(), mode) ? "locked" : "held";
    }
    case 12:
      side.open.clear();
      return "closed";
    default:
      fs.sync(directory);
      return "synced";
  }
}

std::string answer(Side& side, unsigned verb, const std::string& a, const std::string& b,
                   unsigned n) {
  try {
    return call(side, verb, a, b, n);
  } catch (const Error& error) {
    return "error " + std::to_string(static_cast<int>(error.code()));
  }
}

BOOST_AUTO_TEST_CASE(the_same_calls_get_the_same_answers) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    RealSide real;
    SimulatedSide simulated;
    std::minstd_rand random(seed);
    for (int step = 0; step < 60; ++step) {
      const auto verb = static_cast<unsigned>(random() % 14);
      const std::string& a = kNames[random() % kNames.size()];
      const std::string& b = kNames[random() % kNames.size()];
      const auto n = static_cast<unsigned>(random() % 4);
      // A directory as the target of a link or rename is not what the library does.
      const auto other = real.fs->status(*real.directory, b);
      const auto own = real.fs->status(*real.directory, a);
      const bool has_directory = (other && other->is_directory) || (own && own->is_directory);
      if (has_directory && verb >= 3 && verb != 12) continue;
      const std::string expected = answer(real, verb, a, b, n);
      const std::string found = answer(simulated, verb, a, b, n);
      BOOST_REQUIRE_MESSAGE(expected == found, "seed " << seed << " step " << step << " verb "
                                                       << verb << ' ' << a << ' ' << b << ' ' << n
                                                       << ": real " << expected << ", simulated "
                                                       << found);
      BOOST_REQUIRE_EQUAL(state_of(real), state_of(simulated));
    }
  }
}

}  // namespace
}  // namespace qubes::storage::simulation
