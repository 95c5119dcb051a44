// SPDX-License-Identifier: LGPL-2.1-or-later
// The handles of the C API as owners, and its error codes as exceptions.
#ifndef QUBES_STORAGE_TOOLS_HANDLES_H
#define QUBES_STORAGE_TOOLS_HANDLES_H

#include <qubes/storage.h>

#include <cstdint>
#include <memory>

#include "tools/error.h"

namespace tool {

template <auto kUnref>
struct Unref {
  template <typename T>
  void operator()(T* handle) const {
    kUnref(handle);
  }
};

template <typename T, auto kUnref>
using Handle = std::unique_ptr<T, Unref<kUnref>>;

using ErrorHandle = Handle<qubes_storage_error, qubes_storage_error_unref>;
using PoolConfig = Handle<qubes_storage_pool_config, qubes_storage_pool_config_unref>;
using Pool = Handle<qubes_storage_pool, qubes_storage_pool_unref>;
using PoolInfo = Handle<qubes_storage_pool_info, qubes_storage_pool_info_unref>;
using Volumes = Handle<qubes_storage_volumes, qubes_storage_volumes_unref>;
using Report = Handle<qubes_storage_report, qubes_storage_report_unref>;
using VolumeConfig = Handle<qubes_storage_volume_config, qubes_storage_volume_config_unref>;
using Volume = Handle<qubes_storage_volume, qubes_storage_volume_unref>;
using VolumeInfo = Handle<qubes_storage_volume_info, qubes_storage_volume_info_unref>;
using Revisions = Handle<qubes_storage_revisions, qubes_storage_revisions_unref>;

// Calls a function of the library whose last argument is `reterr`, and throws what it reports.
template <typename Function, typename... Arguments>
void call(Function* function, Arguments... arguments) {
  qubes_storage_error* raw = nullptr;
  const std::int32_t code = function(arguments..., &raw);
  const ErrorHandle error(raw);
  if (code != QUBES_STORAGE_OK) throw Error(error.get());
}

// The same for a function whose output, before `reterr`, is a new reference.
template <typename H, typename Function, typename... Arguments>
H make(Function* function, Arguments... arguments) {
  typename H::pointer raw = nullptr;
  call(function, arguments..., &raw);
  return H(raw);
}

}  // namespace tool

#endif
