// SPDX-License-Identifier: LGPL-2.1-or-later
// The library under test, through its public C API, and the virtual machines that use its disks.
#ifndef QUBES_STORAGE_TESTVM_CRASH_LIBRARY_H
#define QUBES_STORAGE_TESTVM_CRASH_LIBRARY_H

#include <qubes/storage.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "testvm/crash/marks.h"
#include "testvm/crash/system.h"

namespace qubes::storage::crash {

// Carries the library's own message.
struct LibraryError : std::runtime_error {
  LibraryError(int32_t code_, const std::string& message)
      : std::runtime_error(message), code(code_) {}
  int32_t code;
};

template <auto unref>
struct Unref {
  template <typename T>
  void operator()(T* handle) const {
    unref(handle);
  }
};
using VolumeHandle = std::unique_ptr<qubes_storage_volume, Unref<qubes_storage_volume_unref>>;
using PoolHandle = std::unique_ptr<qubes_storage_pool, Unref<qubes_storage_pool_unref>>;

// A virtual machine with its disk open, directly or through a loop device.
class Guest {
 public:
  Guest(const std::string& path, bool through_loop);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void write(unsigned chunks, simulation::Symbol symbol);
  void discard(unsigned chunks);
  void flush();

 private:
  template <typename Do>
  void for_each_chunk(unsigned chunks, Do act);

  const std::string path_;
  Descriptor file_;
  bool is_loop_ = false;
};

// How an import is done; the result is the same.
enum class ImportWay { in_place, in_place_recovering, from_descriptor };

class Library {
 public:
  Library(const std::string& pool, const std::vector<simulation::VolumeSpec>& specs);

  void set_up();
  void drain();
  // Throws where a volume could not be recovered; else what was found, one line each.
  std::string recover();
  // "OK", or the name of the code with which the library refused; `message` says why.
  std::string perform(const Act& act, const simulation::State& now, std::string* message);
  void choose(bool through_loop, ImportWay way);
  std::string file_of(std::size_t volume) const;
  // Of its committed state, pinned: what is committed later does not change what it reads.
  Descriptor export_pinned(std::size_t volume) const;
  // A copy of it, in memory.
  Descriptor export_copy(std::size_t volume) const;

 private:
  VolumeHandle open(std::size_t volume, int keep) const;
  void perform(qubes_storage_volume* volume, const Act& act, const simulation::State& now);
  void guest(const Act& act);
  void import(qubes_storage_volume* volume, const Act& act);
  void import_in_place(qubes_storage_volume* volume, const Act& act, std::uint64_t size_bytes);

  const std::string pool_path_;
  const std::vector<simulation::VolumeSpec>& specs_;
  PoolHandle pool_;
  std::map<std::size_t, std::unique_ptr<Guest>> guests_;
  bool through_loop_ = false;
  ImportWay import_way_ = ImportWay::in_place;
};

}  // namespace qubes::storage::crash

#endif
