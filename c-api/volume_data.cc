// SPDX-License-Identifier: LGPL-2.1-or-later
// Configuration and information of volumes in the C API.
#include "c-api/handles.h"

namespace {

using namespace qubes::storage;         // NOLINT(google-build-using-namespace)
using namespace qubes::storage::c_api;  // NOLINT(google-build-using-namespace)

const RevisionInfo* at(const qubes_storage_revisions* revisions, size_t index) {
  if (index >= qubes_storage_revisions_count(revisions)) return nullptr;
  return &revisions->revisions[index];
}

}  // namespace

extern "C" {

int32_t qubes_storage_volume_config_new(qubes_storage_volume_config** config,
                                        qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config");
    *config = new qubes_storage_volume_config;
  });
}

qubes_storage_volume_config* qubes_storage_volume_config_ref(qubes_storage_volume_config* config) {
  return ref(config);
}
void qubes_storage_volume_config_unref(qubes_storage_volume_config* config) {
  unref(config);
}

int32_t qubes_storage_volume_config_set_size(qubes_storage_volume_config* config,
                                             uint64_t size_bytes, qubes_storage_error** reterr) {
  return guarded(reterr,
                 [&] { require(config, "config").config.size_bytes = check_size(size_bytes); });
}

int32_t qubes_storage_volume_config_set_rw(qubes_storage_volume_config* config, int32_t rw,
                                           qubes_storage_error** reterr) {
  return guarded(reterr, [&] { require(config, "config").config.rw = to_bool(rw, "rw"); });
}

int32_t qubes_storage_volume_config_set_save_on_stop(qubes_storage_volume_config* config,
                                                     int32_t save_on_stop,
                                                     qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.save_on_stop = to_bool(save_on_stop, "save_on_stop");
  });
}

int32_t qubes_storage_volume_config_set_snap_on_start(qubes_storage_volume_config* config,
                                                      int32_t snap_on_start,
                                                      qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.snap_on_start = to_bool(snap_on_start, "snap_on_start");
  });
}

int32_t qubes_storage_volume_config_set_source(qubes_storage_volume_config* config,
                                               const char* source_vid,
                                               qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.source = &require(source_vid, "source_vid");
  });
}

int32_t qubes_storage_volume_config_set_revisions_to_keep(qubes_storage_volume_config* config,
                                                          int32_t revisions_to_keep,
                                                          qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config");
    if (revisions_to_keep < -1) refuse_argument("revisions_to_keep", "it is less than -1");
    config->config.revisions_to_keep = revisions_to_keep;
  });
}

int32_t qubes_storage_volume_config_set_ephemeral(qubes_storage_volume_config* config,
                                                  int32_t ephemeral, qubes_storage_error** reterr) {
  return guarded(reterr, [&] {
    require(config, "config").config.ephemeral = to_bool(ephemeral, "ephemeral");
  });
}

// ---- Information ----

qubes_storage_volume_info* qubes_storage_volume_info_ref(qubes_storage_volume_info* info) {
  return ref(info);
}
void qubes_storage_volume_info_unref(qubes_storage_volume_info* info) {
  unref(info);
}

const char* qubes_storage_volume_info_vid(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.vid.c_str(); }, nullptr);
}
const char* qubes_storage_volume_info_path(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.path.c_str(); }, nullptr);
}
uint64_t qubes_storage_volume_info_size_bytes(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.size_bytes.value_or(QUBES_STORAGE_UNKNOWN); }, 0);
}
uint64_t qubes_storage_volume_info_usage_bytes(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.usage_bytes.value_or(QUBES_STORAGE_UNKNOWN); }, 0);
}
uint64_t qubes_storage_volume_info_nominal_size_bytes(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.nominal_size_bytes; }, 0);
}
int32_t qubes_storage_volume_info_rw(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.rw ? 1 : 0; }, 0);
}
int32_t qubes_storage_volume_info_save_on_stop(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.save_on_stop ? 1 : 0; }, 0);
}
int32_t qubes_storage_volume_info_snap_on_start(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.snap_on_start ? 1 : 0; }, 0);
}
int32_t qubes_storage_volume_info_revisions_to_keep(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.revisions_to_keep; }, 0);
}
int32_t qubes_storage_volume_info_ephemeral(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.ephemeral ? 1 : 0; }, 0);
}
const char* qubes_storage_volume_info_source(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.source.empty() ? nullptr : i.source.c_str(); },
      nullptr);
}
int32_t qubes_storage_volume_info_is_started(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.is_started ? 1 : 0; }, 0);
}
int32_t qubes_storage_volume_info_is_dirty(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.is_dirty ? 1 : 0; }, 0);
}
int32_t qubes_storage_volume_info_is_outdated(const qubes_storage_volume_info* info) {
  return get(
      info, [](const VolumeInfo& i) { return i.is_outdated ? 1 : 0; }, 0);
}

// ---- Revisions ----

qubes_storage_revisions* qubes_storage_revisions_ref(qubes_storage_revisions* revisions) {
  return ref(revisions);
}
void qubes_storage_revisions_unref(qubes_storage_revisions* revisions) {
  unref(revisions);
}

size_t qubes_storage_revisions_count(const qubes_storage_revisions* revisions) {
  return revisions != nullptr ? revisions->revisions.size() : 0;
}
uint64_t qubes_storage_revisions_number(const qubes_storage_revisions* revisions, size_t index) {
  const RevisionInfo* revision = at(revisions, index);
  return revision != nullptr ? revision->number : 0;
}
int64_t qubes_storage_revisions_created_ns(const qubes_storage_revisions* revisions, size_t index) {
  const RevisionInfo* revision = at(revisions, index);
  return revision != nullptr ? revision->created_ns : 0;
}
uint64_t qubes_storage_revisions_size_bytes(const qubes_storage_revisions* revisions,
                                            size_t index) {
  const RevisionInfo* revision = at(revisions, index);
  return revision != nullptr ? revision->size_bytes : 0;
}

}  // extern "C"
