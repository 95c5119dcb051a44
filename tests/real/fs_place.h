// SPDX-License-Identifier: LGPL-2.1-or-later
// A fresh directory on a real filesystem, seen through the seam, for the tests of src/fs.
#ifndef QUBES_STORAGE_TESTS_REAL_FS_PLACE_H
#define QUBES_STORAGE_TESTS_REAL_FS_PLACE_H

#include <algorithm>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "src/fs/error.h"
#include "src/fs/real_filesystem.h"
#include "tests/support/files.h"
#include "tests/support/loop_mount.h"

namespace qubes::storage::test {

inline const auto kReflinkKinds =
    boost::unit_test::data::make({FilesystemKind::xfs, FilesystemKind::btrfs});
inline const auto kDiskKinds = boost::unit_test::data::make(
    {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4});
// `other` is a tmpfs.
inline const auto kAllKinds = boost::unit_test::data::make(
    {FilesystemKind::xfs, FilesystemKind::btrfs, FilesystemKind::ext4, FilesystemKind::other});

struct Place {
  explicit Place(const LoopMount& mount) : scratch(mount) {}
  explicit Place(FilesystemKind kind) : Place(mounted(kind)) {}

  std::string operator/(const std::string& name) const { return scratch / name; }
  FilePtr open(const std::string& name, Access access = Access::read) const {
    return fs->open_file(*directory, name, access);
  }
  FilePtr make(const std::string& name, const std::string& content) const {
    write_file(scratch / name, content);
    return open(name, Access::read_write);
  }

  ScratchDirectory scratch;
  std::shared_ptr<Filesystem> fs = real_filesystem();
  DirectoryPtr directory = fs->open_directory(scratch.path());
};

inline std::vector<std::string> names_in(const Place& place) {
  std::vector<std::string> names = place.fs->list(*place.directory);
  std::sort(names.begin(), names.end());
  return names;
}

inline void check_names(const Place& place, const std::vector<std::string>& expected) {
  const auto names = names_in(place);
  BOOST_TEST(names == expected, boost::test_tools::per_element());
}

// The code of the Error that `call` throws; ok if it throws none.
template <typename Call>
int code_thrown(Call call) {
  try {
    call();
  } catch (const Error& error) {
    BOOST_TEST_MESSAGE(error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}

inline int value(Code code) {
  return static_cast<int>(code);
}

}  // namespace qubes::storage::test

#endif
