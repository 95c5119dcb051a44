// SPDX-License-Identifier: LGPL-2.1-or-later
//! Jobs.
use crate::*;

extern "C" {
    pub fn qubes_storage_job_ref(job: *mut qubes_storage_job) -> *mut qubes_storage_job;
    pub fn qubes_storage_job_unref(job: *mut qubes_storage_job);
    pub fn qubes_storage_job_fd(job: *const qubes_storage_job) -> c_int;
    pub fn qubes_storage_job_wait(
        job: *mut qubes_storage_job,
        timeout_ms: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_progress(
        job: *const qubes_storage_job,
        bytes_done: *mut u64,
        bytes_total: *mut u64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_cancel(
        job: *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_result(
        job: *const qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_pool_info(
        job: *const qubes_storage_job,
        info: *mut *mut qubes_storage_pool_info,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_volumes(
        job: *const qubes_storage_job,
        volumes: *mut *mut qubes_storage_volumes,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_report(
        job: *const qubes_storage_job,
        report: *mut *mut qubes_storage_report,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_index(
        job: *const qubes_storage_job,
        index: *mut i64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_volume_info(
        job: *const qubes_storage_job,
        info: *mut *mut qubes_storage_volume_info,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_revisions(
        job: *const qubes_storage_job,
        revisions: *mut *mut qubes_storage_revisions,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_fd(
        job: *mut qubes_storage_job,
        fd: *mut c_int,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_reflinked(
        job: *const qubes_storage_job,
        reflinked: *mut i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_job_get_supported(
        job: *const qubes_storage_job,
        supported: *mut i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
}
