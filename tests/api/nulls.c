/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NULL for each pointer argument of each function that is not an `_unref`. */
#include "check.h"
#include "fixture.h"

static void nothing_configs(void) {
  qubes_storage_pool_config* pool_config = UNTOUCHED;
  FAILS(BAD("dir_path"), qubes_storage_pool_config_new, NULL, &pool_config);
  FAILS(BAD("dir_path"), qubes_storage_pool_config_new, "", &pool_config);
  CHECK(pool_config == UNTOUCHED);
  FAILS(BAD("config"), qubes_storage_pool_config_new, "/tmp", NULL);
  FAILS(BAD("config"), qubes_storage_pool_config_set_name, NULL, "a");
  FAILS(BAD("config"), qubes_storage_pool_config_set_kind, NULL, 0);
  FAILS(BAD("config"), qubes_storage_pool_config_set_revisions_to_keep, NULL, 0);
  FAILS(BAD("config"), qubes_storage_pool_config_set_setup_check, NULL, 0);
  FAILS(BAD("config"), qubes_storage_pool_config_set_precache, NULL, 0);
  FAILS(BAD("config"), qubes_storage_pool_config_add_prefix, NULL, "a");
  FAILS(BAD("config"), qubes_storage_volume_config_new, NULL);
  FAILS(BAD("config"), qubes_storage_volume_config_set_size, NULL, 0);
  FAILS(BAD("config"), qubes_storage_volume_config_set_rw, NULL, 0);
  FAILS(BAD("config"), qubes_storage_volume_config_set_save_on_stop, NULL, 0);
  FAILS(BAD("config"), qubes_storage_volume_config_set_snap_on_start, NULL, 0);
  FAILS(BAD("config"), qubes_storage_volume_config_set_source, NULL, "appvms/a/b");
  FAILS(BAD("config"), qubes_storage_volume_config_set_revisions_to_keep, NULL, 0);
  FAILS(BAD("config"), qubes_storage_volume_config_set_ephemeral, NULL, 0);
}

static void nothing_strings(void) {
  qubes_storage_pool_config* pool_config = NULL;
  qubes_storage_volume_config* config = NULL;
  WORKS(qubes_storage_pool_config_new, "/tmp", &pool_config);
  FAILS(BAD("name"), qubes_storage_pool_config_set_name, pool_config, NULL);
  FAILS(BAD("prefix"), qubes_storage_pool_config_add_prefix, pool_config, NULL);
  qubes_storage_pool_config_unref(pool_config);
  WORKS(qubes_storage_volume_config_new, &config);
  FAILS(BAD("source_vid"), qubes_storage_volume_config_set_source, config, NULL);
  qubes_storage_volume_config_unref(config);
}

static void nothing_pools(void) {
  qubes_storage_pool* pool = UNTOUCHED;
  qubes_storage_pool_config* config = NULL;
  qubes_storage_pool_info* info = UNTOUCHED;
  qubes_storage_volumes* volumes = UNTOUCHED;
  qubes_storage_report* report = UNTOUCHED;
  qubes_storage_volume* volume = UNTOUCHED;
  const char* const candidates[] = {"/", NULL};
  int64_t index = 77;
  WORKS(qubes_storage_pool_config_new, place("pool"), &config);
  FAILS(BAD("config"), qubes_storage_pool_open, NULL, &pool);
  FAILS(BAD("pool"), qubes_storage_pool_open, config, NULL);
  CHECK(pool == UNTOUCHED);
  qubes_storage_pool_config_unref(config);
  FAILS(BAD("pool"), qubes_storage_pool_setup, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_drain, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_get_info, NULL, &info);
  FAILS(BAD("pool"), qubes_storage_pool_list, NULL, &volumes);
  FAILS(BAD("pool"), qubes_storage_pool_recover, NULL, &report);
  FAILS(BAD("pool"), qubes_storage_pool_included_in, NULL, candidates, 1, &index);
  FAILS(BAD("pool"), qubes_storage_pool_volume, NULL, "appvms/a/b", NULL, &volume);
  pool = new_pool();
  FAILS(BAD("info"), qubes_storage_pool_get_info, pool, NULL);
  FAILS(BAD("volumes"), qubes_storage_pool_list, pool, NULL);
  FAILS(BAD("report"), qubes_storage_pool_recover, pool, NULL);
  FAILS(BAD("candidates"), qubes_storage_pool_included_in, pool, NULL, 1, &index);
  FAILS(BAD("candidates"), qubes_storage_pool_included_in, pool, NULL, SIZE_MAX, &index);
  FAILS(BAD("candidates"), qubes_storage_pool_included_in, pool, candidates, 2, &index);
  FAILS(BAD("candidates"), qubes_storage_pool_included_in, pool, candidates + 1, SIZE_MAX, &index);
  FAILS(BAD("index"), qubes_storage_pool_included_in, pool, candidates, 1, NULL);
  FAILS(BAD("vid"), qubes_storage_pool_volume, pool, NULL, NULL, &volume);
  FAILS(BAD("volume"), qubes_storage_pool_volume, pool, "appvms/a/b", NULL, NULL);
  CHECK(index == 77 && info == UNTOUCHED && volumes == UNTOUCHED);
  CHECK(report == UNTOUCHED && volume == UNTOUCHED);
  qubes_storage_pool_unref(pool);
}

static void nothing_verbs(void) {
  int fd = 77;
  qubes_storage_volume_info* info = UNTOUCHED;
  qubes_storage_revisions* revisions = UNTOUCHED;
  FAILS(BAD("volume"), qubes_storage_volume_create, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_verify, NULL);
  FAILS(BAD("volume"), qubes_storage_volume_remove, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_start, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_stop, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_discard, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_revert, NULL, 0, 0);
  FAILS(BAD("volume"), qubes_storage_volume_resize, NULL, 0, 0);
  FAILS(BAD("volume"), qubes_storage_volume_import_begin, NULL, 0, 0);
  FAILS(BAD("volume"), qubes_storage_volume_import_end, NULL, 1, 0);
  FAILS(BAD("volume"), qubes_storage_volume_import_fd, NULL, 0, 0, NULL, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_export_fd, NULL, 0, &fd);
  FAILS(BAD("volume"), qubes_storage_volume_export_to, NULL, 1, NULL, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_prune, NULL, 0, 0);
  FAILS(BAD("volume"), qubes_storage_volume_get_info, NULL, &info);
  FAILS(BAD("volume"), qubes_storage_volume_get_revisions, NULL, &revisions);
  FAILS(BAD("volume"), qubes_storage_volume_set_rw, NULL, 0);
  FAILS(BAD("volume"), qubes_storage_volume_set_revisions_to_keep, NULL, 0);
  CHECK(fd == 77 && info == UNTOUCHED && revisions == UNTOUCHED);
  CHECK_TEXT(qubes_storage_volume_vid(NULL), NULL);
  CHECK_TEXT(qubes_storage_volume_path(NULL), NULL);
  CHECK_TEXT(qubes_storage_volume_import_path(NULL), NULL);
}

static void nothing_verb_outputs(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  char* before = listing(place("pool"));
  FAILS(CODE(INVALID), qubes_storage_volume_import_volume, NULL, volume, NULL, NULL, 0);
  FAILS(BAD("source"), qubes_storage_volume_import_volume, volume, NULL, NULL, NULL, 0);
  FAILS(BAD("fd"), qubes_storage_volume_export_fd, volume, 0, NULL);
  FAILS(BAD("info"), qubes_storage_volume_get_info, volume, NULL);
  FAILS(BAD("revisions"), qubes_storage_volume_get_revisions, volume, NULL);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void nothing_volume_jobs(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  qubes_storage_job* job = UNTOUCHED;
  char* before = listing(place("pool"));
  FAILS(BAD("volume"), qubes_storage_volume_create_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_verify_async, NULL, &job);
  FAILS(BAD("volume"), qubes_storage_volume_remove_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_start_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_stop_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_discard_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_revert_async, NULL, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_resize_async, NULL, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_import_begin_async, NULL, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_import_end_async, NULL, 1, 0, &job);
  FAILS(CODE(INVALID), qubes_storage_volume_import_volume_async, NULL, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_import_fd_async, NULL, 0, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_export_fd_async, NULL, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_export_to_async, NULL, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_prune_async, NULL, 0, 0, &job);
  FAILS(BAD("volume"), qubes_storage_volume_get_info_async, NULL, &job);
  FAILS(BAD("volume"), qubes_storage_volume_get_revisions_async, NULL, &job);
  FAILS(BAD("volume"), qubes_storage_volume_set_revisions_to_keep_async, NULL, 0, &job);
  FAILS(BAD("job"), qubes_storage_volume_create_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_verify_async, volume, NULL);
  FAILS(BAD("job"), qubes_storage_volume_remove_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_start_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_stop_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_discard_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_revert_async, volume, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_resize_async, volume, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_import_begin_async, volume, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_import_end_async, volume, 1, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_import_volume_async, volume, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_import_fd_async, volume, 0, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_export_fd_async, volume, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_export_to_async, volume, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_prune_async, volume, 0, 0, NULL);
  FAILS(BAD("job"), qubes_storage_volume_get_info_async, volume, NULL);
  FAILS(BAD("job"), qubes_storage_volume_get_revisions_async, volume, NULL);
  FAILS(BAD("job"), qubes_storage_volume_set_revisions_to_keep_async, volume, 0, NULL);
  FAILS(BAD("source"), qubes_storage_volume_import_volume_async, volume, NULL, 0, &job);
  CHECK(job == UNTOUCHED);
  CHECK(is_unchanged(place("pool"), before));
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

static void nothing_pool_jobs(void) {
  const char* const candidates[] = {"/"};
  qubes_storage_job* job = UNTOUCHED;
  qubes_storage_pool* pool = new_pool();
  FAILS(BAD("pool"), qubes_storage_pool_setup_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_pool_setup_async, pool, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_get_info_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_pool_get_info_async, pool, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_list_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_pool_list_async, pool, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_recover_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_pool_recover_async, pool, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_drain_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_pool_drain_async, pool, NULL);
  FAILS(BAD("pool"), qubes_storage_pool_included_in_async, NULL, candidates, 1, &job);
  FAILS(BAD("candidates"), qubes_storage_pool_included_in_async, pool, NULL, 1, &job);
  FAILS(BAD("job"), qubes_storage_pool_included_in_async, pool, candidates, 1, NULL);
  FAILS(BAD("config"), qubes_storage_pool_config_set_log, NULL, NULL, NULL);
  const char* const file = place("a");
  const uint64_t same = QUBES_STORAGE_UNKNOWN;
  FAILS(BAD("source"), qubes_storage_file_clone_async, NULL, file, same, 0, &job);
  FAILS(BAD("target"), qubes_storage_file_clone_async, file, NULL, same, 0, &job);
  FAILS(BAD("job"), qubes_storage_file_clone_async, file, file, same, 0, NULL);
  FAILS(BAD("path"), qubes_storage_file_create_sparse_async, NULL, 0, &job);
  FAILS(BAD("job"), qubes_storage_file_create_sparse_async, file, 0, NULL);
  FAILS(BAD("path"), qubes_storage_file_resize_async, NULL, 0, &job);
  FAILS(BAD("job"), qubes_storage_file_resize_async, file, 0, NULL);
  FAILS(BAD("path"), qubes_storage_loop_refresh_async, NULL, &job);
  FAILS(BAD("job"), qubes_storage_loop_refresh_async, file, NULL);
  FAILS(BAD("target_dir"), qubes_storage_reflink_supported_async, NULL, NULL, &job);
  FAILS(BAD("job"), qubes_storage_reflink_supported_async, file, NULL, NULL);
  CHECK(job == UNTOUCHED && !is_there(file));
  qubes_storage_pool_unref(pool);
}

static void nothing_jobs(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_job* job = NULL;
  uint64_t bytes = 77;
  int32_t answer = 77;
  CHECK(qubes_storage_job_ref(NULL) == NULL);
  qubes_storage_job_unref(NULL);
  CHECK_I64(qubes_storage_job_fd(NULL), -1);
  FAILS(BAD("job"), qubes_storage_job_wait, NULL, 0);
  FAILS(BAD("job"), qubes_storage_job_progress, NULL, &bytes, &bytes);
  FAILS(BAD("job"), qubes_storage_job_cancel, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_fd, NULL, &answer);
  FAILS(BAD("job"), qubes_storage_job_get_reflinked, NULL, &answer);
  CHECK_I64(qubes_storage_job_result(NULL, NULL), QUBES_STORAGE_INVALID);
  WORKS(qubes_storage_pool_get_info_async, pool, &job);
  WORKS(qubes_storage_job_wait, job, -1);
  FAILS(BAD("bytes_done"), qubes_storage_job_progress, job, NULL, &bytes);
  FAILS(BAD("bytes_total"), qubes_storage_job_progress, job, &bytes, NULL);
  FAILS(BAD("info"), qubes_storage_job_get_pool_info, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_volumes, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_report, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_index, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_volume_info, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_revisions, job, NULL);
  FAILS(BAD("job"), qubes_storage_job_get_supported, job, &answer);
  CHECK(bytes == 77 && answer == 77);
  qubes_storage_job_unref(job);
  qubes_storage_pool_unref(pool);
}

static void nothing_getters(void) {
  CHECK_TEXT(qubes_storage_pool_info_name(NULL), "");
  CHECK_TEXT(qubes_storage_pool_info_dir_path(NULL), "");
  CHECK_I64(qubes_storage_pool_info_kind(NULL), QUBES_STORAGE_POOL_REFLINK);
  CHECK_I64(qubes_storage_pool_info_revisions_to_keep(NULL), 0);
  CHECK_I64(qubes_storage_pool_info_is_online(NULL), 0);
  CHECK_U64(qubes_storage_pool_info_size_bytes(NULL), QUBES_STORAGE_UNKNOWN);
  CHECK_U64(qubes_storage_pool_info_usage_bytes(NULL), QUBES_STORAGE_UNKNOWN);
  CHECK_TEXT(qubes_storage_pool_info_filesystem_type(NULL), "");
  CHECK_TEXT(qubes_storage_pool_info_mount_point(NULL), "");
  CHECK_TEXT(qubes_storage_pool_info_device(NULL), "");
  CHECK_TEXT(qubes_storage_pool_info_device_uuid(NULL), "");
  CHECK_U64(qubes_storage_pool_info_logical_sector_bytes(NULL), 0);
  CHECK_U64(qubes_storage_pool_info_physical_sector_bytes(NULL), 0);
  CHECK_I64(qubes_storage_pool_info_reflink_works(NULL), 0);
  CHECK_U64(qubes_storage_volumes_count(NULL), 0);
  CHECK_TEXT(qubes_storage_volumes_vid(NULL, 0), NULL);
  CHECK_U64(qubes_storage_report_count(NULL), 0);
  CHECK_TEXT(qubes_storage_report_vid(NULL, 0), NULL);
  CHECK_TEXT(qubes_storage_report_finding(NULL, SIZE_MAX), NULL);
  CHECK_TEXT(qubes_storage_report_action(NULL, 0), NULL);
  CHECK_TEXT(qubes_storage_volume_info_vid(NULL), NULL);
  CHECK_TEXT(qubes_storage_volume_info_path(NULL), NULL);
  CHECK_U64(qubes_storage_volume_info_size_bytes(NULL), 0);
  CHECK_U64(qubes_storage_volume_info_usage_bytes(NULL), 0);
  CHECK_U64(qubes_storage_volume_info_nominal_size_bytes(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_rw(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_save_on_stop(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_snap_on_start(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_revisions_to_keep(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_ephemeral(NULL), 0);
  CHECK_TEXT(qubes_storage_volume_info_source(NULL), NULL);
  CHECK_I64(qubes_storage_volume_info_is_started(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_is_dirty(NULL), 0);
  CHECK_I64(qubes_storage_volume_info_is_outdated(NULL), 0);
  CHECK_U64(qubes_storage_revisions_count(NULL), 0);
  CHECK_U64(qubes_storage_revisions_number(NULL, 0), 0);
  CHECK_I64(qubes_storage_revisions_created_ns(NULL, 0), 0);
  CHECK_U64(qubes_storage_revisions_size_bytes(NULL, SIZE_MAX), 0);
}

static void nothing_blocks(void) {
  int32_t yes = 77;
  FAILS(BAD("source"), qubes_storage_file_clone, NULL, place("x"), 0, 0, &yes);
  FAILS(BAD("target"), qubes_storage_file_clone, place("x"), NULL, 0, 0, &yes);
  FAILS(BAD("path"), qubes_storage_file_create_sparse, NULL, 0);
  FAILS(BAD("path"), qubes_storage_file_resize, NULL, 0);
  FAILS(BAD("path"), qubes_storage_loop_refresh, NULL);
  FAILS(BAD("target_dir"), qubes_storage_reflink_supported, NULL, NULL, &yes);
  FAILS(BAD("supported"), qubes_storage_reflink_supported, root, NULL, NULL);
  CHECK_I64(yes, 77);
}

const struct test null_tests[] = {
    {"nothing_configs", nothing_configs},
    {"nothing_strings", nothing_strings},
    {"nothing_pools", nothing_pools},
    {"nothing_verbs", nothing_verbs},
    {"nothing_verb_outputs", nothing_verb_outputs},
    {"nothing_volume_jobs", nothing_volume_jobs},
    {"nothing_pool_jobs", nothing_pool_jobs},
    {"nothing_jobs", nothing_jobs},
    {"nothing_getters", nothing_getters},
    {"nothing_blocks", nothing_blocks},
    {NULL, NULL},
};
