// SPDX-License-Identifier: LGPL-2.1-or-later
//! Pools.
use crate::*;

extern "C" {
    pub fn qubes_storage_pool_open(
        config: *const qubes_storage_pool_config,
        pool: *mut *mut qubes_storage_pool,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_ref(pool: *mut qubes_storage_pool) -> *mut qubes_storage_pool;
    pub fn qubes_storage_pool_unref(pool: *mut qubes_storage_pool);
    pub fn qubes_storage_pool_setup(
        pool: *mut qubes_storage_pool,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_setup_async(
        pool: *mut qubes_storage_pool,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_get_info(
        pool: *mut qubes_storage_pool,
        info: *mut *mut qubes_storage_pool_info,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_get_info_async(
        pool: *mut qubes_storage_pool,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_list(
        pool: *mut qubes_storage_pool,
        volumes: *mut *mut qubes_storage_volumes,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_list_async(
        pool: *mut qubes_storage_pool,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_recover(
        pool: *mut qubes_storage_pool,
        report: *mut *mut qubes_storage_report,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_recover_async(
        pool: *mut qubes_storage_pool,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_drain(
        pool: *mut qubes_storage_pool,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_drain_async(
        pool: *mut qubes_storage_pool,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_included_in(
        pool: *mut qubes_storage_pool,
        candidates: *const *const c_char,
        count: usize,
        index: *mut i64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_included_in_async(
        pool: *mut qubes_storage_pool,
        candidates: *const *const c_char,
        count: usize,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_pool_volume(
        pool: *mut qubes_storage_pool,
        vid: *const c_char,
        config: *const qubes_storage_volume_config,
        volume: *mut *mut qubes_storage_volume,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
}
