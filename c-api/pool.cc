// SPDX-License-Identifier: LGPL-2.1-or-later
// Pools in the C API: arguments checked and converted, nothing else.
#include <filesystem>

#include "c-api/jobs.h"
#include "src/fs/real_filesystem.h"
#include "src/names.h"

namespace {

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

// Absolute and without a final slash, as the peer makes it: by the words alone.
std::string absolute_path(const char* path) {
  if (*path == '\0') refuse_argument("dir_path", "it is empty");
  std::error_code error;
  auto result = std::filesystem::absolute(path, error).lexically_normal();
  if (error) throw_errno(error.value(), "find the current directory for", path);
  if (!result.has_filename() && result.has_relative_path()) result = result.parent_path();
  return result.string();
}

template <typename Call>
void start_job(qubes_storage_pool* pool, qubes_storage_job** job, Call call) {
  require(job, "job");
  *job = c_api::start_job(pool->pool, pool->pool->job_threads(), with_output(std::move(call)));
}

// ---- The verbs, their arguments checked. A job must not keep the pool: its threads wait for it.
// ----

Pool* checked(qubes_storage_pool* pool) {
  return require(pool, "pool").pool.get();
}

auto setup(qubes_storage_pool* pool) {
  return [it = checked(pool)](const Progress&) { it->setup(); };
}
auto get_info(qubes_storage_pool* pool) {
  return [it = checked(pool)](const Progress&) { return it->info(); };
}
auto list(qubes_storage_pool* pool) {
  return [it = checked(pool)](const Progress&) { return it->list(); };
}
auto recover(qubes_storage_pool* pool) {
  return [it = checked(pool)](const Progress& progress) { return it->recover(progress); };
}
auto drain(qubes_storage_pool* pool) {
  return [it = checked(pool)](const Progress&) { it->drain(); };
}
auto included_in(qubes_storage_pool* pool, const char* const* candidates, size_t count) {
  Pool* it = checked(pool);
  if (count > 0) require(candidates, "candidates");
  std::vector<std::string> places;
  for (size_t i = 0; i < count; ++i) places.emplace_back(&require(candidates[i], "candidates"));
  return [it, places = std::move(places)](const Progress&) {
    return Container{it->included_in(places)};
  };
}

}  // namespace

extern "C" {

int32_t qubes_storage_pool_config_new(const char* dir_path, qubes_storage_pool_config** config,
                                      qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(dir_path, "dir_path");
    require(config, "config");
    auto made = std::make_unique<qubes_storage_pool_config>();
    made->config.dir_path = absolute_path(dir_path);
    *config = made.release();
  });
}

qubes_storage_pool_config* qubes_storage_pool_config_ref(qubes_storage_pool_config* config) {
  return ref(config);
}
void qubes_storage_pool_config_unref(qubes_storage_pool_config* config) {
  unref(config);
}

int32_t qubes_storage_pool_config_set_name(qubes_storage_pool_config* config, const char* name,
                                           qubes_storage_error** reterr) {
  return guarded(reterr, [&] { require(config, "config").config.name = &require(name, "name"); });
}

int32_t qubes_storage_pool_config_set_kind(qubes_storage_pool_config* config, int32_t kind,
                                           qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config");
    if (kind != QUBES_STORAGE_POOL_REFLINK && kind != QUBES_STORAGE_POOL_KERNELS) {
      refuse_argument("kind", "there is no such kind of pool");
    }
    config->config.kind =
        kind == QUBES_STORAGE_POOL_KERNELS ? PoolKind::kernels : PoolKind::reflink;
  });
}

int32_t qubes_storage_pool_config_set_revisions_to_keep(qubes_storage_pool_config* config,
                                                        int32_t revisions_to_keep,
                                                        qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config");
    if (revisions_to_keep < -1) refuse_argument("revisions_to_keep", "it is less than -1");
    config->config.revisions_to_keep = revisions_to_keep;
  });
}

int32_t qubes_storage_pool_config_set_setup_check(qubes_storage_pool_config* config,
                                                  int32_t setup_check,
                                                  qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.setup_check = to_bool(setup_check, "setup_check");
  });
}

int32_t qubes_storage_pool_config_set_precache(qubes_storage_pool_config* config, int32_t precache,
                                               qubes_storage_error** reterr) {
  return guarded(
      reterr, [&] { require(config, "config").config.precache = to_bool(precache, "precache"); });
}

int32_t qubes_storage_pool_config_set_log(qubes_storage_pool_config* config, qubes_storage_log log,
                                          void* opaque, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.log = nullptr;
    if (log == nullptr) return;
    config->config.log = [log, opaque](LogLevel level, const std::string& message) {
      log(opaque, level == LogLevel::info ? QUBES_STORAGE_LOG_INFO : QUBES_STORAGE_LOG_WARNING,
          message.c_str());
    };
  });
}

int32_t qubes_storage_pool_config_add_prefix(qubes_storage_pool_config* config, const char* prefix,
                                             qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    auto& prefixes = require(config, "config").config.prefixes;
    check_component(&require(prefix, "prefix"), "the prefix");
    for (const auto& known : prefixes) {
      if (known == prefix) return;
    }
    prefixes.emplace_back(prefix);
  });
}

int32_t qubes_storage_pool_open(const qubes_storage_pool_config* config, qubes_storage_pool** pool,
                                qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config");
    require(pool, "pool");
    auto made = std::make_unique<qubes_storage_pool>();
    made->pool = std::make_shared<Pool>(config->config, real_filesystem(), Worker::Mode::thread);
    *pool = made.release();
  });
}

qubes_storage_pool* qubes_storage_pool_ref(qubes_storage_pool* pool) {
  return ref(pool);
}
void qubes_storage_pool_unref(qubes_storage_pool* pool) {
  unref(pool);
}

int32_t qubes_storage_pool_setup(qubes_storage_pool* pool, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { setup(pool)(nullptr); });
}

int32_t qubes_storage_pool_setup_async(qubes_storage_pool* pool, qubes_storage_job** job,
                                       qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, setup(pool)); });
}

int32_t qubes_storage_pool_get_info(qubes_storage_pool* pool, qubes_storage_pool_info** info,
                                    qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(info, "info");
    auto made = std::make_unique<qubes_storage_pool_info>();
    made->info = get_info(pool)(nullptr);
    *info = made.release();
  });
}

int32_t qubes_storage_pool_get_info_async(qubes_storage_pool* pool, qubes_storage_job** job,
                                          qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, get_info(pool)); });
}

int32_t qubes_storage_pool_list(qubes_storage_pool* pool, qubes_storage_volumes** volumes,
                                qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(volumes, "volumes");
    auto made = std::make_unique<qubes_storage_volumes>();
    made->vids = list(pool)(nullptr);
    *volumes = made.release();
  });
}

int32_t qubes_storage_pool_list_async(qubes_storage_pool* pool, qubes_storage_job** job,
                                      qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, list(pool)); });
}

int32_t qubes_storage_pool_recover(qubes_storage_pool* pool, qubes_storage_report** report,
                                   qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(report, "report");
    auto made = std::make_unique<qubes_storage_report>();
    made->findings = recover(pool)(nullptr);
    *report = made.release();
  });
}

int32_t qubes_storage_pool_recover_async(qubes_storage_pool* pool, qubes_storage_job** job,
                                         qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, recover(pool)); });
}

int32_t qubes_storage_pool_drain(qubes_storage_pool* pool, qubes_storage_error** reterr) {
  return guarded(reterr, [&] { drain(pool)(nullptr); });
}

int32_t qubes_storage_pool_drain_async(qubes_storage_pool* pool, qubes_storage_job** job,
                                       qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, drain(pool)); });
}

int32_t qubes_storage_pool_included_in(qubes_storage_pool* pool, const char* const* candidates,
                                       size_t count, int64_t* index, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(index, "index");
    *index = index_of(included_in(pool, candidates, count)(nullptr));
  });
}

int32_t qubes_storage_pool_included_in_async(qubes_storage_pool* pool,
                                             const char* const* candidates, size_t count,
                                             qubes_storage_job** job,
                                             qubes_storage_error** reterr) {
  return guarded(reterr, [&] { start_job(pool, job, included_in(pool, candidates, count)); });
}

int32_t qubes_storage_pool_volume(qubes_storage_pool* pool, const char* vid,
                                  const qubes_storage_volume_config* config,
                                  qubes_storage_volume** volume, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(pool, "pool");
    require(vid, "vid");
    require(volume, "volume");
    auto made = std::make_unique<qubes_storage_volume>();
    made->pool = pool->pool;
    made->volume = pool->pool->volume(vid, config != nullptr ? config->config : VolumeConfig());
    made->vid = made->volume->vid();
    made->path = made->volume->path();
    made->import_path = made->volume->import_path();
    *volume = made.release();
  });
}

// ---- Pool information ----

qubes_storage_pool_info* qubes_storage_pool_info_ref(qubes_storage_pool_info* info) {
  return ref(info);
}
void qubes_storage_pool_info_unref(qubes_storage_pool_info* info) {
  unref(info);
}

const char* qubes_storage_pool_info_name(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.config.name.c_str(); }, "");
}
const char* qubes_storage_pool_info_dir_path(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.config.dir_path.c_str(); }, "");
}
int32_t qubes_storage_pool_info_kind(const qubes_storage_pool_info* info) {
  return get(
      info,
      [](const PoolInfo& i) {
        return i.config.kind == PoolKind::kernels ? QUBES_STORAGE_POOL_KERNELS
                                                  : QUBES_STORAGE_POOL_REFLINK;
      },
      QUBES_STORAGE_POOL_REFLINK);
}
int32_t qubes_storage_pool_info_revisions_to_keep(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.config.revisions_to_keep; }, 0);
}
int32_t qubes_storage_pool_info_is_online(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.is_online ? 1 : 0; }, 0);
}
uint64_t qubes_storage_pool_info_size_bytes(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.size_bytes.value_or(QUBES_STORAGE_UNKNOWN); },
      QUBES_STORAGE_UNKNOWN);
}
uint64_t qubes_storage_pool_info_usage_bytes(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.usage_bytes.value_or(QUBES_STORAGE_UNKNOWN); },
      QUBES_STORAGE_UNKNOWN);
}
const char* qubes_storage_pool_info_filesystem_type(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.filesystem_type.c_str(); }, "");
}
const char* qubes_storage_pool_info_mount_point(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.mount_point.c_str(); }, "");
}
const char* qubes_storage_pool_info_device(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.device.c_str(); }, "");
}
const char* qubes_storage_pool_info_device_uuid(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.device_uuid.c_str(); }, "");
}
uint32_t qubes_storage_pool_info_logical_sector_bytes(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.logical_sector_bytes; }, 0);
}
uint32_t qubes_storage_pool_info_physical_sector_bytes(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.physical_sector_bytes; }, 0);
}
int32_t qubes_storage_pool_info_reflink_works(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return i.reflink_works ? 1 : 0; }, 0);
}

uint64_t qubes_storage_pool_info_background_waiting(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return static_cast<uint64_t>(i.background.waiting); }, 0);
}
uint64_t qubes_storage_pool_info_background_running(const qubes_storage_pool_info* info) {
  return get(
      info, [](const PoolInfo& i) { return static_cast<uint64_t>(i.background.running); }, 0);
}

// ---- Lists ----

qubes_storage_volumes* qubes_storage_volumes_ref(qubes_storage_volumes* volumes) {
  return ref(volumes);
}
void qubes_storage_volumes_unref(qubes_storage_volumes* volumes) {
  unref(volumes);
}

size_t qubes_storage_volumes_count(const qubes_storage_volumes* volumes) {
  return volumes != nullptr ? volumes->vids.size() : 0;
}
const char* qubes_storage_volumes_vid(const qubes_storage_volumes* volumes, size_t index) {
  if (index >= qubes_storage_volumes_count(volumes)) return nullptr;
  return volumes->vids[index].c_str();
}

qubes_storage_report* qubes_storage_report_ref(qubes_storage_report* report) {
  return ref(report);
}
void qubes_storage_report_unref(qubes_storage_report* report) {
  unref(report);
}

size_t qubes_storage_report_count(const qubes_storage_report* report) {
  return report != nullptr ? report->findings.size() : 0;
}
const char* qubes_storage_report_vid(const qubes_storage_report* report, size_t index) {
  if (index >= qubes_storage_report_count(report)) return nullptr;
  return report->findings[index].vid.c_str();
}
const char* qubes_storage_report_finding(const qubes_storage_report* report, size_t index) {
  if (index >= qubes_storage_report_count(report)) return nullptr;
  return report->findings[index].found.c_str();
}
const char* qubes_storage_report_action(const qubes_storage_report* report, size_t index) {
  if (index >= qubes_storage_report_count(report)) return nullptr;
  return report->findings[index].action.c_str();
}

}  // extern "C"
