// SPDX-License-Identifier: LGPL-2.1-or-later
// Handles of the C API with an owner, and its errors as the end of the program.
#ifndef QUBES_STORAGE_TESTS_BENCH_SESSION_H
#define QUBES_STORAGE_TESTS_BENCH_SESSION_H

#include <qubes/storage.h>

#include <memory>
#include <string>

#include "tests/bench/guest.h"

namespace qubes::storage::bench {

// The last argument of a function of the API; a failure ends the program when it goes away.
class Checked {
 public:
  Checked() = default;
  Checked(const Checked&) = delete;
  Checked& operator=(const Checked&) = delete;
  ~Checked() {
    if (error_ != nullptr) give_up("go on", qubes_storage_error_message(error_));
  }
  operator qubes_storage_error**() { return &error_; }

 private:
  qubes_storage_error* error_ = nullptr;
};

struct Unref {
  void operator()(qubes_storage_pool* pool) const { qubes_storage_pool_unref(pool); }
  void operator()(qubes_storage_volume* volume) const { qubes_storage_volume_unref(volume); }
  void operator()(qubes_storage_volumes* list) const { qubes_storage_volumes_unref(list); }
  void operator()(qubes_storage_job* job) const { qubes_storage_job_unref(job); }
  void operator()(qubes_storage_pool_config* it) const { qubes_storage_pool_config_unref(it); }
  void operator()(qubes_storage_volume_config* it) const { qubes_storage_volume_config_unref(it); }
};
template <typename Handle>
using Owned = std::unique_ptr<Handle, Unref>;

inline Owned<qubes_storage_pool> open_pool(const std::string& path) {
  qubes_storage_pool_config* config = nullptr;
  qubes_storage_pool_config_new(path.c_str(), &config, Checked());
  const Owned<qubes_storage_pool_config> owned(config);
  qubes_storage_pool* pool = nullptr;
  qubes_storage_pool_open(config, &pool, Checked());
  return Owned<qubes_storage_pool>(pool);
}

enum class Kind { origin, snapshot, scratch };

inline Owned<qubes_storage_volume> open_volume(qubes_storage_pool* pool, const std::string& vid,
                                               Kind kind) {
  qubes_storage_volume_config* config = nullptr;
  qubes_storage_volume_config_new(&config, Checked());
  const Owned<qubes_storage_volume_config> owned(config);
  qubes_storage_volume_config_set_size(config, kSizeBytes, Checked());
  qubes_storage_volume_config_set_rw(config, 1, Checked());
  qubes_storage_volume_config_set_save_on_stop(config, kind == Kind::origin, Checked());
  qubes_storage_volume_config_set_snap_on_start(config, kind == Kind::snapshot, Checked());
  if (kind == Kind::snapshot) {
    qubes_storage_volume_config_set_source(config, kTemplate, Checked());
  }
  qubes_storage_volume* volume = nullptr;
  qubes_storage_pool_volume(pool, vid.c_str(), config, &volume, Checked());
  return Owned<qubes_storage_volume>(volume);
}

}  // namespace qubes::storage::bench

#endif
