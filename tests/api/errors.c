/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The version, codes, errors, and the counting of references of every kind of handle. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

static void version_and_codes(void) {
  static const char* const names[] = {
      "OK",       "INVALID",         "NOT_FOUND",     "EXISTS",   "BUSY",
      "DIRTY",    "READ_ONLY",       "NOT_SUPPORTED", "NO_SPACE", "IO",
      "CORRUPT",  "OFFLINE",         "CANCELLED",     "TIMEOUT",  "NO_MEMORY",
      "INTERNAL", "UNKNOWN_OUTCOME",
  };
  unsigned major = 99, minor = 99, patch = 99;
  char rest = 0;
  CHECK(sscanf(qubes_storage_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest) == 3);
  CHECK(major == 0 && minor == 1);
  for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof names[0]); ++i) {
    CHECK_TEXT(qubes_storage_code_name(-i), names[i]);
  }
  CHECK_TEXT(qubes_storage_code_name(-17), "UNKNOWN_CODE");
  CHECK_TEXT(qubes_storage_code_name(1), "UNKNOWN_CODE");
  CHECK_TEXT(qubes_storage_code_name(INT32_MIN), "UNKNOWN_CODE");
  CHECK_TEXT(qubes_storage_code_name(INT32_MAX), "UNKNOWN_CODE");
  CHECK_I64(QUBES_STORAGE_UNKNOWN_OUTCOME, -16);
  CHECK_U64(QUBES_STORAGE_UNKNOWN, UINT64_MAX);
}

static void no_error(void) {
  CHECK(qubes_storage_error_ref(NULL) == NULL);
  qubes_storage_error_unref(NULL);
  CHECK_I64(qubes_storage_error_code(NULL), QUBES_STORAGE_INVALID);
  CHECK_I64(qubes_storage_error_errno(NULL), 0);
  CHECK_TEXT(qubes_storage_error_step(NULL), "");
  CHECK_TEXT(qubes_storage_error_path(NULL), "");
  CHECK_TEXT(qubes_storage_error_message(NULL), "");
}

/* What an error says about the kernel's refusal, and about a hostile path. */
static void error_of_the_kernel(void) {
  qubes_storage_error* error = NULL;
  const char* const path = place("a'b\n\x1b[2J\xff/x");
  CHECK_I64(qubes_storage_file_resize(path, 1, &error), QUBES_STORAGE_NOT_FOUND);
  CHECK_I64(qubes_storage_error_code(error), QUBES_STORAGE_NOT_FOUND);
  CHECK_I64(qubes_storage_error_errno(error), ENOENT);
  CHECK(strncmp(qubes_storage_error_path(error), root, strlen(root)) == 0);
  const char* const message = qubes_storage_error_message(error);
  CHECK(strstr(message, qubes_storage_error_step(error)) != NULL);
  CHECK(strpbrk(message, "\n\x1b\xff") == NULL);
  CHECK(strstr(message, "\\x1b[2J\\xff") != NULL);
  CHECK(strstr(message, strerror(ENOENT)) != NULL);
  CHECK(message[strlen(message) - 1] != '.');
  /* Borrowed from the error: valid until its last unref. */
  CHECK(qubes_storage_error_ref(error) == error);
  qubes_storage_error_unref(error);
  CHECK(qubes_storage_error_message(error) == message);
  CHECK(message[0] != '\0');
  qubes_storage_error_unref(error);
}

/* A success leaves the place for the error alone, a failure takes whatever is there. */
static void place_for_the_error(void) {
  qubes_storage_error* error = UNTOUCHED;
  qubes_storage_volume_config* config = NULL;
  CHECK_I64(qubes_storage_volume_config_new(&config, &error), QUBES_STORAGE_OK);
  CHECK(error == UNTOUCHED);
  CHECK_I64(qubes_storage_volume_config_set_rw(config, 2, &error), QUBES_STORAGE_INVALID);
  CHECK(error != UNTOUCHED);
  CHECK_I64(qubes_storage_error_code(error), QUBES_STORAGE_INVALID);
  CHECK_TEXT(qubes_storage_error_step(error), "check argument");
  qubes_storage_error_unref(error);
  qubes_storage_volume_config_unref(config);
}

static void null_references(void) {
  CHECK(qubes_storage_pool_config_ref(NULL) == NULL);
  CHECK(qubes_storage_pool_ref(NULL) == NULL);
  CHECK(qubes_storage_pool_info_ref(NULL) == NULL);
  CHECK(qubes_storage_volumes_ref(NULL) == NULL);
  CHECK(qubes_storage_report_ref(NULL) == NULL);
  CHECK(qubes_storage_volume_config_ref(NULL) == NULL);
  CHECK(qubes_storage_volume_ref(NULL) == NULL);
  CHECK(qubes_storage_volume_info_ref(NULL) == NULL);
  CHECK(qubes_storage_revisions_ref(NULL) == NULL);
  qubes_storage_pool_config_unref(NULL);
  qubes_storage_pool_unref(NULL);
  qubes_storage_pool_info_unref(NULL);
  qubes_storage_volumes_unref(NULL);
  qubes_storage_report_unref(NULL);
  qubes_storage_volume_config_unref(NULL);
  qubes_storage_volume_unref(NULL);
  qubes_storage_volume_info_unref(NULL);
  qubes_storage_revisions_unref(NULL);
}

/* A second reference keeps each snapshot alive, also when all that it came from is gone. */
static void snapshots_outlive_everything(void) {
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = new_origin(pool, "appvms/work/private", "one");
  qubes_storage_pool_info* pool_info = NULL;
  qubes_storage_volumes* volumes = NULL;
  qubes_storage_report* report = NULL;
  qubes_storage_volume_info* info = NULL;
  qubes_storage_revisions* revisions = NULL;
  run_session(volume, "two");
  WORKS(qubes_storage_volume_start, volume, 0);
  WORKS(qubes_storage_pool_get_info, pool, &pool_info);
  WORKS(qubes_storage_pool_list, pool, &volumes);
  WORKS(qubes_storage_pool_recover, pool, &report);
  WORKS(qubes_storage_volume_get_info, volume, &info);
  WORKS(qubes_storage_volume_get_revisions, volume, &revisions);
  CHECK(qubes_storage_pool_info_ref(pool_info) == pool_info);
  CHECK(qubes_storage_volumes_ref(volumes) == volumes);
  CHECK(qubes_storage_report_ref(report) == report);
  CHECK(qubes_storage_volume_info_ref(info) == info);
  CHECK(qubes_storage_revisions_ref(revisions) == revisions);
  qubes_storage_pool_info_unref(pool_info);
  qubes_storage_volumes_unref(volumes);
  qubes_storage_report_unref(report);
  qubes_storage_volume_info_unref(info);
  qubes_storage_revisions_unref(revisions);
  qubes_storage_pool_unref(pool);
  qubes_storage_volume_unref(volume);
  CHECK_TEXT(qubes_storage_pool_info_dir_path(pool_info), place("pool"));
  CHECK_TEXT(qubes_storage_volumes_vid(volumes, 0), "appvms/work/private");
  CHECK_U64(qubes_storage_report_count(report), 1);
  CHECK_TEXT(qubes_storage_report_vid(report, 0), "appvms/work/private");
  CHECK_TEXT(qubes_storage_volume_info_vid(info), "appvms/work/private");
  CHECK_U64(qubes_storage_revisions_count(revisions), 1);
  qubes_storage_pool_info_unref(pool_info);
  qubes_storage_volumes_unref(volumes);
  qubes_storage_report_unref(report);
  qubes_storage_volume_info_unref(info);
  qubes_storage_revisions_unref(revisions);
}

/* In every order: the volume works as long as it has a reference, whoever went before it. */
static void volume_outlives_pool(void) {
  for (int order = 0; order < 4; ++order) {
    qubes_storage_pool* pool = order == 0 ? new_pool() : open_pool();
    qubes_storage_volume* volume = new_volume(pool, "appvms/work/private", &origin_kind);
    if (order == 0) WORKS(qubes_storage_volume_create, volume, 0);
    CHECK(qubes_storage_pool_ref(pool) == pool);
    CHECK(qubes_storage_volume_ref(volume) == volume);
    if (order % 2 == 0) qubes_storage_pool_unref(pool);
    if (order < 2) qubes_storage_pool_unref(pool);
    qubes_storage_volume_unref(volume);
    WORKS(qubes_storage_volume_start, volume, 0);
    write_text(qubes_storage_volume_path(volume), 0, "again");
    WORKS(qubes_storage_volume_stop, volume, 0);
    if (order >= 2) qubes_storage_pool_unref(pool);
    qubes_storage_volume_unref(volume);
    if (order % 2 == 1) qubes_storage_pool_unref(pool);
  }
}

static void configs_are_copied(void) {
  qubes_storage_volume_config* config = NULL;
  qubes_storage_pool* pool = new_pool();
  qubes_storage_volume* volume = NULL;
  WORKS(qubes_storage_volume_config_new, &config);
  CHECK(qubes_storage_volume_config_ref(config) == config);
  qubes_storage_volume_config_unref(config);
  WORKS(qubes_storage_volume_config_set_size, config, 4096);
  WORKS(qubes_storage_pool_volume, pool, "appvms/work/volatile", config, &volume);
  WORKS(qubes_storage_volume_config_set_size, config, 8192);
  CHECK_U64(volume_size(volume), 4096);
  qubes_storage_volume_config_unref(config);
  CHECK_U64(volume_size(volume), 4096);
  qubes_storage_volume_unref(volume);
  qubes_storage_pool_unref(pool);
}

const struct test error_tests[] = {
    {"version_and_codes", version_and_codes},
    {"no_error", no_error},
    {"error_of_the_kernel", error_of_the_kernel},
    {"place_for_the_error", place_for_the_error},
    {"null_references", null_references},
    {"snapshots_outlive_everything", snapshots_outlive_everything},
    {"volume_outlives_pool", volume_outlives_pool},
    {"configs_are_copied", configs_are_copied},
    {NULL, NULL},
};
