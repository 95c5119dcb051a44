/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef QUBES_STORAGE_H
#define QUBES_STORAGE_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define QUBES_STORAGE_OK 0
#define QUBES_STORAGE_INVALID (-1)
#define QUBES_STORAGE_NOT_FOUND (-2)
#define QUBES_STORAGE_EXISTS (-3)
#define QUBES_STORAGE_BUSY (-4)
#define QUBES_STORAGE_DIRTY (-5)
#define QUBES_STORAGE_READ_ONLY (-6)
#define QUBES_STORAGE_NOT_SUPPORTED (-7)
#define QUBES_STORAGE_NO_SPACE (-8)
#define QUBES_STORAGE_IO (-9)
#define QUBES_STORAGE_CORRUPT (-10)
#define QUBES_STORAGE_OFFLINE (-11)
#define QUBES_STORAGE_CANCELLED (-12)
#define QUBES_STORAGE_TIMEOUT (-13)
#define QUBES_STORAGE_NO_MEMORY (-14)
#define QUBES_STORAGE_INTERNAL (-15)
#define QUBES_STORAGE_UNKNOWN_OUTCOME (-16)
#define QUBES_STORAGE_UNKNOWN UINT64_MAX
typedef struct qubes_storage_error qubes_storage_error;
typedef struct qubes_storage_pool_config qubes_storage_pool_config;
typedef struct qubes_storage_pool qubes_storage_pool;
typedef struct qubes_storage_pool_info qubes_storage_pool_info;
typedef struct qubes_storage_volumes qubes_storage_volumes;
typedef struct qubes_storage_report qubes_storage_report;
typedef struct qubes_storage_volume_config qubes_storage_volume_config;
typedef struct qubes_storage_volume qubes_storage_volume;
typedef struct qubes_storage_volume_info qubes_storage_volume_info;
typedef struct qubes_storage_revisions qubes_storage_revisions;
typedef struct qubes_storage_job qubes_storage_job;
typedef int32_t (*qubes_storage_progress)(void *opaque, uint64_t bytes_done, uint64_t bytes_total);
const char *qubes_storage_version(void);
const char *qubes_storage_code_name(int32_t code);
qubes_storage_error *qubes_storage_error_ref(qubes_storage_error *error);
void qubes_storage_error_unref(qubes_storage_error *error);
int32_t qubes_storage_error_code(const qubes_storage_error *error);
int32_t qubes_storage_error_errno(const qubes_storage_error *error);
const char *qubes_storage_error_step(const qubes_storage_error *error);
const char *qubes_storage_error_path(const qubes_storage_error *error);
const char *qubes_storage_error_message(const qubes_storage_error *error);
#define QUBES_STORAGE_POOL_REFLINK 0
#define QUBES_STORAGE_POOL_KERNELS 1
int32_t qubes_storage_pool_config_new(const char *dir_path, qubes_storage_pool_config **config,
                                      qubes_storage_error **reterr);
qubes_storage_pool_config *qubes_storage_pool_config_ref(qubes_storage_pool_config *config);
void qubes_storage_pool_config_unref(qubes_storage_pool_config *config);
int32_t qubes_storage_pool_config_set_name(qubes_storage_pool_config *config, const char *name,
                                           qubes_storage_error **reterr);
int32_t qubes_storage_pool_config_set_kind(qubes_storage_pool_config *config, int32_t kind,
                                           qubes_storage_error **reterr);
int32_t qubes_storage_pool_config_set_revisions_to_keep(qubes_storage_pool_config *config,
                                                        int32_t revisions_to_keep,
                                                        qubes_storage_error **reterr);
int32_t qubes_storage_pool_config_set_setup_check(qubes_storage_pool_config *config,
                                                  int32_t setup_check,
                                                  qubes_storage_error **reterr);
int32_t qubes_storage_pool_config_set_precache(qubes_storage_pool_config *config, int32_t precache,
                                               qubes_storage_error **reterr);
#define QUBES_STORAGE_LOG_WARNING 1
#define QUBES_STORAGE_LOG_INFO 2
typedef void (*qubes_storage_log)(void *opaque, int32_t level, const char *message);
int32_t qubes_storage_pool_config_set_log(qubes_storage_pool_config *config, qubes_storage_log log,
                                          void *opaque, qubes_storage_error **reterr);
int32_t qubes_storage_pool_config_add_prefix(qubes_storage_pool_config *config, const char *prefix,
                                             qubes_storage_error **reterr);
int32_t qubes_storage_pool_open(const qubes_storage_pool_config *config, qubes_storage_pool **pool,
                                qubes_storage_error **reterr);
qubes_storage_pool *qubes_storage_pool_ref(qubes_storage_pool *pool);
void qubes_storage_pool_unref(qubes_storage_pool *pool);
int32_t qubes_storage_pool_setup(qubes_storage_pool *pool, qubes_storage_error **reterr);
int32_t qubes_storage_pool_setup_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                       qubes_storage_error **reterr);
int32_t qubes_storage_pool_get_info(qubes_storage_pool *pool, qubes_storage_pool_info **info,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_pool_get_info_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                          qubes_storage_error **reterr);
int32_t qubes_storage_pool_list(qubes_storage_pool *pool, qubes_storage_volumes **volumes,
                                qubes_storage_error **reterr);
int32_t qubes_storage_pool_list_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                      qubes_storage_error **reterr);
int32_t qubes_storage_pool_recover(qubes_storage_pool *pool, qubes_storage_report **report,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_pool_recover_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                         qubes_storage_error **reterr);
int32_t qubes_storage_pool_drain(qubes_storage_pool *pool, qubes_storage_error **reterr);
int32_t qubes_storage_pool_drain_async(qubes_storage_pool *pool, qubes_storage_job **job,
                                       qubes_storage_error **reterr);
int32_t qubes_storage_pool_included_in(qubes_storage_pool *pool, const char *const *candidates,
                                       size_t count, int64_t *index, qubes_storage_error **reterr);
int32_t qubes_storage_pool_included_in_async(qubes_storage_pool *pool,
                                             const char *const *candidates, size_t count,
                                             qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_pool_volume(qubes_storage_pool *pool, const char *vid,
                                  const qubes_storage_volume_config *config,
                                  qubes_storage_volume **volume, qubes_storage_error **reterr);
qubes_storage_pool_info *qubes_storage_pool_info_ref(qubes_storage_pool_info *info);
void qubes_storage_pool_info_unref(qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_name(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_dir_path(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_kind(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_revisions_to_keep(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_is_online(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_size_bytes(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_usage_bytes(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_filesystem_type(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_mount_point(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_device(const qubes_storage_pool_info *info);
const char *qubes_storage_pool_info_device_uuid(const qubes_storage_pool_info *info);
uint32_t qubes_storage_pool_info_logical_sector_bytes(const qubes_storage_pool_info *info);
uint32_t qubes_storage_pool_info_physical_sector_bytes(const qubes_storage_pool_info *info);
int32_t qubes_storage_pool_info_reflink_works(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_background_waiting(const qubes_storage_pool_info *info);
uint64_t qubes_storage_pool_info_background_running(const qubes_storage_pool_info *info);
qubes_storage_volumes *qubes_storage_volumes_ref(qubes_storage_volumes *volumes);
void qubes_storage_volumes_unref(qubes_storage_volumes *volumes);
size_t qubes_storage_volumes_count(const qubes_storage_volumes *volumes);
const char *qubes_storage_volumes_vid(const qubes_storage_volumes *volumes, size_t index);
qubes_storage_report *qubes_storage_report_ref(qubes_storage_report *report);
void qubes_storage_report_unref(qubes_storage_report *report);
size_t qubes_storage_report_count(const qubes_storage_report *report);
const char *qubes_storage_report_vid(const qubes_storage_report *report, size_t index);
const char *qubes_storage_report_finding(const qubes_storage_report *report, size_t index);
const char *qubes_storage_report_action(const qubes_storage_report *report, size_t index);
int32_t qubes_storage_volume_config_new(qubes_storage_volume_config **config,
                                        qubes_storage_error **reterr);
qubes_storage_volume_config *qubes_storage_volume_config_ref(qubes_storage_volume_config *config);
void qubes_storage_volume_config_unref(qubes_storage_volume_config *config);
int32_t qubes_storage_volume_config_set_size(qubes_storage_volume_config *config,
                                             uint64_t size_bytes, qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_rw(qubes_storage_volume_config *config, int32_t rw,
                                           qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_save_on_stop(qubes_storage_volume_config *config,
                                                     int32_t save_on_stop,
                                                     qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_snap_on_start(qubes_storage_volume_config *config,
                                                      int32_t snap_on_start,
                                                      qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_source(qubes_storage_volume_config *config,
                                               const char *source_vid,
                                               qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_revisions_to_keep(qubes_storage_volume_config *config,
                                                          int32_t revisions_to_keep,
                                                          qubes_storage_error **reterr);
int32_t qubes_storage_volume_config_set_ephemeral(qubes_storage_volume_config *config,
                                                  int32_t ephemeral, qubes_storage_error **reterr);
qubes_storage_volume *qubes_storage_volume_ref(qubes_storage_volume *volume);
void qubes_storage_volume_unref(qubes_storage_volume *volume);
const char *qubes_storage_volume_vid(const qubes_storage_volume *volume);
const char *qubes_storage_volume_path(const qubes_storage_volume *volume);
int32_t qubes_storage_volume_create(qubes_storage_volume *volume, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_create_async(qubes_storage_volume *volume, uint32_t flags,
                                          qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_verify(qubes_storage_volume *volume, qubes_storage_error **reterr);
int32_t qubes_storage_volume_verify_async(qubes_storage_volume *volume, qubes_storage_job **job,
                                          qubes_storage_error **reterr);
int32_t qubes_storage_volume_remove(qubes_storage_volume *volume, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_remove_async(qubes_storage_volume *volume, uint32_t flags,
                                          qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_start(qubes_storage_volume *volume, uint32_t flags,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_start_async(qubes_storage_volume *volume, uint32_t flags,
                                         qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_stop(qubes_storage_volume *volume, uint32_t flags,
                                  qubes_storage_error **reterr);
int32_t qubes_storage_volume_stop_async(qubes_storage_volume *volume, uint32_t flags,
                                        qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_discard(qubes_storage_volume *volume, uint32_t flags,
                                     qubes_storage_error **reterr);
int32_t qubes_storage_volume_discard_async(qubes_storage_volume *volume, uint32_t flags,
                                           qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_revert(qubes_storage_volume *volume, uint64_t number, uint32_t flags,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_revert_async(qubes_storage_volume *volume, uint64_t number,
                                          uint32_t flags, qubes_storage_job **job,
                                          qubes_storage_error **reterr);
#define QUBES_STORAGE_RESIZE_SHRINK 1u
int32_t qubes_storage_volume_resize(qubes_storage_volume *volume, uint64_t size_bytes,
                                    uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_resize_async(qubes_storage_volume *volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_job **job,
                                          qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_begin(qubes_storage_volume *volume, uint64_t size_bytes,
                                          uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_begin_async(qubes_storage_volume *volume, uint64_t size_bytes,
                                                uint32_t flags, qubes_storage_job **job,
                                                qubes_storage_error **reterr);
const char *qubes_storage_volume_import_path(const qubes_storage_volume *volume);
int32_t qubes_storage_volume_import_end(qubes_storage_volume *volume, int32_t success,
                                        uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_end_async(qubes_storage_volume *volume, int32_t success,
                                              uint32_t flags, qubes_storage_job **job,
                                              qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_volume(qubes_storage_volume *volume,
                                           qubes_storage_volume *source,
                                           qubes_storage_progress progress, void *opaque,
                                           uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_volume_async(qubes_storage_volume *volume,
                                                 qubes_storage_volume *source, uint32_t flags,
                                                 qubes_storage_job **job,
                                                 qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_fd(qubes_storage_volume *volume, int fd, uint64_t size_bytes,
                                       qubes_storage_progress progress, void *opaque,
                                       uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_import_fd_async(qubes_storage_volume *volume, int fd,
                                             uint64_t size_bytes, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_fd(qubes_storage_volume *volume, uint32_t flags, int *fd,
                                       qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_fd_async(qubes_storage_volume *volume, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_to(qubes_storage_volume *volume, int fd,
                                       qubes_storage_progress progress, void *opaque,
                                       uint32_t flags, qubes_storage_error **reterr);
int32_t qubes_storage_volume_export_to_async(qubes_storage_volume *volume, int fd, uint32_t flags,
                                             qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_prune(qubes_storage_volume *volume, int32_t keep, uint32_t flags,
                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_prune_async(qubes_storage_volume *volume, int32_t keep, uint32_t flags,
                                         qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_info(qubes_storage_volume *volume,
                                      qubes_storage_volume_info **info,
                                      qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_info_async(qubes_storage_volume *volume, qubes_storage_job **job,
                                            qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_revisions(qubes_storage_volume *volume,
                                           qubes_storage_revisions **revisions,
                                           qubes_storage_error **reterr);
int32_t qubes_storage_volume_get_revisions_async(qubes_storage_volume *volume,
                                                 qubes_storage_job **job,
                                                 qubes_storage_error **reterr);
int32_t qubes_storage_volume_set_rw(qubes_storage_volume *volume, int32_t rw,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_volume_set_revisions_to_keep(qubes_storage_volume *volume,
                                                   int32_t revisions_to_keep,
                                                   qubes_storage_error **reterr);
int32_t qubes_storage_volume_set_revisions_to_keep_async(qubes_storage_volume *volume,
                                                         int32_t revisions_to_keep,
                                                         qubes_storage_job **job,
                                                         qubes_storage_error **reterr);
qubes_storage_volume_info *qubes_storage_volume_info_ref(qubes_storage_volume_info *info);
void qubes_storage_volume_info_unref(qubes_storage_volume_info *info);
const char *qubes_storage_volume_info_vid(const qubes_storage_volume_info *info);
const char *qubes_storage_volume_info_path(const qubes_storage_volume_info *info);
uint64_t qubes_storage_volume_info_size_bytes(const qubes_storage_volume_info *info);
uint64_t qubes_storage_volume_info_usage_bytes(const qubes_storage_volume_info *info);
uint64_t qubes_storage_volume_info_nominal_size_bytes(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_rw(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_save_on_stop(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_snap_on_start(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_revisions_to_keep(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_ephemeral(const qubes_storage_volume_info *info);
const char *qubes_storage_volume_info_source(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_is_started(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_is_dirty(const qubes_storage_volume_info *info);
int32_t qubes_storage_volume_info_is_outdated(const qubes_storage_volume_info *info);
qubes_storage_revisions *qubes_storage_revisions_ref(qubes_storage_revisions *revisions);
void qubes_storage_revisions_unref(qubes_storage_revisions *revisions);
size_t qubes_storage_revisions_count(const qubes_storage_revisions *revisions);
uint64_t qubes_storage_revisions_number(const qubes_storage_revisions *revisions, size_t index);
int64_t qubes_storage_revisions_created_ns(const qubes_storage_revisions *revisions, size_t index);
uint64_t qubes_storage_revisions_size_bytes(const qubes_storage_revisions *revisions, size_t index);
qubes_storage_job *qubes_storage_job_ref(qubes_storage_job *job);
void qubes_storage_job_unref(qubes_storage_job *job);
int qubes_storage_job_fd(const qubes_storage_job *job);
int32_t qubes_storage_job_wait(qubes_storage_job *job, int32_t timeout_ms,
                               qubes_storage_error **reterr);
int32_t qubes_storage_job_progress(const qubes_storage_job *job, uint64_t *bytes_done,
                                   uint64_t *bytes_total, qubes_storage_error **reterr);
int32_t qubes_storage_job_cancel(qubes_storage_job *job, qubes_storage_error **reterr);
int32_t qubes_storage_job_result(const qubes_storage_job *job, qubes_storage_error **reterr);
int32_t qubes_storage_job_get_pool_info(const qubes_storage_job *job,
                                        qubes_storage_pool_info **info,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_volumes(const qubes_storage_job *job,
                                      qubes_storage_volumes **volumes,
                                      qubes_storage_error **reterr);
int32_t qubes_storage_job_get_report(const qubes_storage_job *job, qubes_storage_report **report,
                                     qubes_storage_error **reterr);
int32_t qubes_storage_job_get_index(const qubes_storage_job *job, int64_t *index,
                                    qubes_storage_error **reterr);
int32_t qubes_storage_job_get_volume_info(const qubes_storage_job *job,
                                          qubes_storage_volume_info **info,
                                          qubes_storage_error **reterr);
int32_t qubes_storage_job_get_revisions(const qubes_storage_job *job,
                                        qubes_storage_revisions **revisions,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_fd(qubes_storage_job *job, int *fd, qubes_storage_error **reterr);
int32_t qubes_storage_job_get_reflinked(const qubes_storage_job *job, int32_t *reflinked,
                                        qubes_storage_error **reterr);
int32_t qubes_storage_job_get_supported(const qubes_storage_job *job, int32_t *supported,
                                        qubes_storage_error **reterr);
#define QUBES_STORAGE_CLONE_KEEP_MTIME 1u
int32_t qubes_storage_file_clone(const char *source, const char *target, uint64_t size_bytes,
                                 uint32_t flags, int32_t *reflinked, qubes_storage_error **reterr);
int32_t qubes_storage_file_clone_async(const char *source, const char *target, uint64_t size_bytes,
                                       uint32_t flags, qubes_storage_job **job,
                                       qubes_storage_error **reterr);
int32_t qubes_storage_file_create_sparse(const char *path, uint64_t size_bytes,
                                         qubes_storage_error **reterr);
int32_t qubes_storage_file_create_sparse_async(const char *path, uint64_t size_bytes,
                                               qubes_storage_job **job,
                                               qubes_storage_error **reterr);
int32_t qubes_storage_file_resize(const char *path, uint64_t size_bytes,
                                  qubes_storage_error **reterr);
int32_t qubes_storage_file_resize_async(const char *path, uint64_t size_bytes,
                                        qubes_storage_job **job, qubes_storage_error **reterr);
int32_t qubes_storage_loop_refresh(const char *path, qubes_storage_error **reterr);
int32_t qubes_storage_loop_refresh_async(const char *path, qubes_storage_job **job,
                                         qubes_storage_error **reterr);
int32_t qubes_storage_reflink_supported(const char *target_dir, const char *source_dir,
                                        int32_t *supported, qubes_storage_error **reterr);
int32_t qubes_storage_reflink_supported_async(const char *target_dir, const char *source_dir,
                                              qubes_storage_job **job,
                                              qubes_storage_error **reterr);
#ifdef __cplusplus
}
#endif
#endif
