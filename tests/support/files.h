// SPDX-License-Identifier: LGPL-2.1-or-later
// Small helpers of the tests to make and look at files, apart from the code that they test.
#ifndef QUBES_STORAGE_TESTS_SUPPORT_FILES_H
#define QUBES_STORAGE_TESTS_SUPPORT_FILES_H

#include <cstdint>
#include <string>

namespace qubes::storage::test {

// Bytes without a run of zeros, the same for the same arguments.
std::string pattern(std::size_t length, unsigned seed = 1);

// Six mebibytes and three bytes of data, zeros, data, a long hole, data and a hole at the end.
// As a file it has the holes as holes and 12288 bytes of zeros, aligned, that are written.
std::string patchwork();
void make_patchwork(const std::string& path);

// All of these throw std::runtime_error on failure.
void write_file(const std::string& path, const std::string& content);
void write_at(const std::string& path, std::uint64_t offset, const std::string& content);
std::string read_file(const std::string& path);
std::uint64_t size_of(const std::string& path);
std::uint64_t allocated_bytes(const std::string& path);
std::uint64_t free_bytes(const std::string& path);  // of the filesystem, after syncfs(2)
// Takes nearly all the room of a filesystem by that file, without writing it.
void take_room(const std::string& path);
bool exists(const std::string& path);             // itself: links are not followed
bool has_shared_extent(const std::string& path);  // FIEMAP, after fsync(2)

}  // namespace qubes::storage::test

#endif
