// SPDX-License-Identifier: LGPL-2.1-or-later
//! The configurations of pools and volumes.
use crate::*;

extern "C" {
    pub fn qubes_storage_pool_config_new(
        dir_path: *const c_char,
        config: *mut *mut qubes_storage_pool_config,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_ref(
        config: *mut qubes_storage_pool_config,
    ) -> *mut qubes_storage_pool_config;
    pub fn qubes_storage_pool_config_unref(config: *mut qubes_storage_pool_config);
    pub fn qubes_storage_pool_config_set_name(
        config: *mut qubes_storage_pool_config,
        name: *const c_char,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_set_kind(
        config: *mut qubes_storage_pool_config,
        kind: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_set_revisions_to_keep(
        config: *mut qubes_storage_pool_config,
        revisions_to_keep: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_set_setup_check(
        config: *mut qubes_storage_pool_config,
        setup_check: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_set_precache(
        config: *mut qubes_storage_pool_config,
        precache: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_set_log(
        config: *mut qubes_storage_pool_config,
        log: qubes_storage_log,
        opaque: *mut c_void,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_config_add_prefix(
        config: *mut qubes_storage_pool_config,
        prefix: *const c_char,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_new(
        config: *mut *mut qubes_storage_volume_config,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_ref(
        config: *mut qubes_storage_volume_config,
    ) -> *mut qubes_storage_volume_config;
    pub fn qubes_storage_volume_config_unref(config: *mut qubes_storage_volume_config);
    pub fn qubes_storage_volume_config_set_size(
        config: *mut qubes_storage_volume_config,
        size_bytes: u64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_rw(
        config: *mut qubes_storage_volume_config,
        rw: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_save_on_stop(
        config: *mut qubes_storage_volume_config,
        save_on_stop: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_snap_on_start(
        config: *mut qubes_storage_volume_config,
        snap_on_start: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_source(
        config: *mut qubes_storage_volume_config,
        source_vid: *const c_char,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_revisions_to_keep(
        config: *mut qubes_storage_volume_config,
        revisions_to_keep: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_config_set_ephemeral(
        config: *mut qubes_storage_volume_config,
        ephemeral: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
}
