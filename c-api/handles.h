// SPDX-License-Identifier: LGPL-2.1-or-later
// What is behind the opaque handles, and the boundary that no exception crosses.
#ifndef QUBES_STORAGE_C_API_HANDLES_H
#define QUBES_STORAGE_C_API_HANDLES_H

// Only what the public header declares leaves the library; the rest is built hidden.
#pragma GCC visibility push(default)
#include <qubes/storage.h>
#pragma GCC visibility pop

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "src/fs/error.h"
#include "src/fs/thread.h"
#include "src/pool.h"
#include "src/volume.h"

// A count of references, for the handles only: they are destroyed through their own type.
struct qubes_storage_counted {
  std::atomic<std::size_t> references{1};
};

// Behind these are threads and locks. A forked child has no such threads, and its copies of the
// locks may be held for ever: it is refused, and drops nothing.
struct qubes_storage_of_process : qubes_storage_counted {
  const int process = qubes::storage::this_process();
};

struct qubes_storage_error : qubes_storage_counted {
  std::int32_t code = QUBES_STORAGE_INTERNAL;
  int errno_value = 0;
  std::string step;
  std::string path;
  std::string message;
};

struct qubes_storage_pool_config : qubes_storage_counted {
  qubes::storage::PoolConfig config;
};

struct qubes_storage_pool : qubes_storage_of_process {
  std::shared_ptr<qubes::storage::Pool> pool;
};

struct qubes_storage_pool_info : qubes_storage_counted {
  qubes::storage::PoolInfo info;
};

struct qubes_storage_volumes : qubes_storage_counted {
  std::vector<std::string> vids;
};

struct qubes_storage_report : qubes_storage_counted {
  std::vector<qubes::storage::Finding> findings;
};

struct qubes_storage_volume_config : qubes_storage_counted {
  qubes::storage::VolumeConfig config;
};

struct qubes_storage_volume : qubes_storage_of_process {
  std::shared_ptr<qubes::storage::Pool> pool;  // goes after the volume
  std::shared_ptr<qubes::storage::Volume> volume;
  std::string vid;
  std::string path;
  std::string import_path;
};

struct qubes_storage_volume_info : qubes_storage_counted {
  qubes::storage::VolumeInfo info;
};

struct qubes_storage_revisions : qubes_storage_counted {
  std::vector<qubes::storage::RevisionInfo> revisions;
};

namespace qubes::storage::c_api {

template <typename Handle>
Handle* ref(Handle* handle) {
  if (handle != nullptr) handle->references.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

template <typename Handle>
bool is_of_other_process(const Handle& handle) {
  if constexpr (std::is_base_of_v<qubes_storage_of_process, Handle>) {
    return handle.process != this_process();
  }
  return false;
}

template <typename Handle>
void unref(Handle* handle) {
  if (handle == nullptr || is_of_other_process(*handle)) return;
  if (handle->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete handle;
}

// The code of the exception in flight; stores it as an error where the caller wants it.
std::int32_t report_exception(qubes_storage_error** reterr) noexcept;

// Every function that can fail is `return guarded(reterr, [&] { ... });`.
template <typename Body>
std::int32_t guarded(qubes_storage_error** reterr, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return QUBES_STORAGE_OK;
  } catch (...) {
    return report_exception(reterr);
  }
}

[[noreturn]] inline void refuse_argument(const char* name, std::string_view reason) {
  refuse(Code::invalid, "check argument", name, reason);
}

template <typename T>
T& require(T* pointer, const char* name) {
  if (pointer == nullptr) refuse_argument(name, "it is NULL");
  if (is_of_other_process(*pointer)) {
    refuse_argument(name, "it belongs to the process that this one was forked from");
  }
  return *pointer;
}

inline bool to_bool(std::int32_t value, const char* name) {
  if (value != 0 && value != 1) refuse_argument(name, "a boolean is 0 or 1");
  return value == 1;
}

inline void check_flags(std::uint32_t flags, std::uint32_t known) {
  if ((flags & ~known) != 0) refuse_argument("flags", "it has an unknown bit");
}

inline std::uint64_t check_size(std::uint64_t size_bytes) {
  if (size_bytes > kSizeMax) refuse_argument("size_bytes", "it is larger than INT64_MAX");
  return size_bytes;
}

inline std::optional<std::uint64_t> size_if_known(std::uint64_t size_bytes) {
  if (size_bytes == QUBES_STORAGE_UNKNOWN) return std::nullopt;
  return check_size(size_bytes);
}

// What `read` says of an information handle, or `missing` if it is NULL.
template <typename Handle, typename Read>
auto get(const Handle* handle, Read&& read, decltype(read(handle->info)) missing) {
  return handle != nullptr ? read(handle->info) : missing;
}

// The caller's progress function as the library's; a wish to stop is thrown.
Progress to_progress(qubes_storage_progress progress, void* opaque);

}  // namespace qubes::storage::c_api

#endif
