// SPDX-License-Identifier: LGPL-2.1-or-later
//! Volumes.
use crate::*;

extern "C" {
    pub fn qubes_storage_volume_ref(volume: *mut qubes_storage_volume)
        -> *mut qubes_storage_volume;
    pub fn qubes_storage_volume_unref(volume: *mut qubes_storage_volume);
    pub fn qubes_storage_volume_vid(volume: *const qubes_storage_volume) -> *const c_char;
    pub fn qubes_storage_volume_path(volume: *const qubes_storage_volume) -> *const c_char;
    pub fn qubes_storage_volume_create(
        volume: *mut qubes_storage_volume,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_create_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_verify(
        volume: *mut qubes_storage_volume,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_verify_async(
        volume: *mut qubes_storage_volume,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_remove(
        volume: *mut qubes_storage_volume,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_remove_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_start(
        volume: *mut qubes_storage_volume,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_start_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_stop(
        volume: *mut qubes_storage_volume,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_stop_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_discard(
        volume: *mut qubes_storage_volume,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_discard_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_revert(
        volume: *mut qubes_storage_volume,
        number: u64,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_revert_async(
        volume: *mut qubes_storage_volume,
        number: u64,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_resize(
        volume: *mut qubes_storage_volume,
        size_bytes: u64,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_resize_async(
        volume: *mut qubes_storage_volume,
        size_bytes: u64,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_begin(
        volume: *mut qubes_storage_volume,
        size_bytes: u64,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_begin_async(
        volume: *mut qubes_storage_volume,
        size_bytes: u64,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_path(volume: *const qubes_storage_volume) -> *const c_char;
    pub fn qubes_storage_volume_import_end(
        volume: *mut qubes_storage_volume,
        success: i32,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_end_async(
        volume: *mut qubes_storage_volume,
        success: i32,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_volume(
        volume: *mut qubes_storage_volume,
        source: *mut qubes_storage_volume,
        progress: qubes_storage_progress,
        opaque: *mut c_void,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_volume_async(
        volume: *mut qubes_storage_volume,
        source: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_fd(
        volume: *mut qubes_storage_volume,
        fd: c_int,
        size_bytes: u64,
        progress: qubes_storage_progress,
        opaque: *mut c_void,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_import_fd_async(
        volume: *mut qubes_storage_volume,
        fd: c_int,
        size_bytes: u64,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_export_fd(
        volume: *mut qubes_storage_volume,
        flags: u32,
        fd: *mut c_int,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_export_fd_async(
        volume: *mut qubes_storage_volume,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_export_to(
        volume: *mut qubes_storage_volume,
        fd: c_int,
        progress: qubes_storage_progress,
        opaque: *mut c_void,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_export_to_async(
        volume: *mut qubes_storage_volume,
        fd: c_int,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_prune(
        volume: *mut qubes_storage_volume,
        keep: i32,
        flags: u32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_prune_async(
        volume: *mut qubes_storage_volume,
        keep: i32,
        flags: u32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_get_info(
        volume: *mut qubes_storage_volume,
        info: *mut *mut qubes_storage_volume_info,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_get_info_async(
        volume: *mut qubes_storage_volume,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_get_revisions(
        volume: *mut qubes_storage_volume,
        revisions: *mut *mut qubes_storage_revisions,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_get_revisions_async(
        volume: *mut qubes_storage_volume,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_set_rw(
        volume: *mut qubes_storage_volume,
        rw: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_set_revisions_to_keep(
        volume: *mut qubes_storage_volume,
        revisions_to_keep: i32,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
    pub fn qubes_storage_volume_set_revisions_to_keep_async(
        volume: *mut qubes_storage_volume,
        revisions_to_keep: i32,
        job: *mut *mut qubes_storage_job,
        reterr: *mut *mut qubes_storage_error,
    ) -> i32;
}
