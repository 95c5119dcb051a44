// SPDX-License-Identifier: LGPL-2.1-or-later
//! Building blocks for other drivers.
use crate::*;

extern "C" {
    pub fn qubes_storage_file_clone(
        source: *const c_char,
        target: *const c_char,
        size_bytes: u64,
        flags: u32,
        reflinked: *mut i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_file_clone_async(
        source: *const c_char,
        target: *const c_char,
        size_bytes: u64,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_file_create_sparse(
        path: *const c_char,
        size_bytes: u64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_file_create_sparse_async(
        path: *const c_char,
        size_bytes: u64,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_file_resize(
        path: *const c_char,
        size_bytes: u64,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_file_resize_async(
        path: *const c_char,
        size_bytes: u64,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_loop_refresh(
        path: *const c_char,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_loop_refresh_async(
        path: *const c_char,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_reflink_supported(
        target_dir: *const c_char,
        source_dir: *const c_char,
        supported: *mut i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_reflink_supported_async(
        target_dir: *const c_char,
        source_dir: *const c_char,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
}
