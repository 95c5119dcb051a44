// SPDX-License-Identifier: LGPL-2.1-or-later
//! What is known of pools and volumes: immutable snapshots.
use crate::*;

extern "C" {
    pub fn qubes_storage_pool_info_ref(
        info: *mut qubes_storage_pool_info,
    ) -> *mut qubes_storage_pool_info;
    pub fn qubes_storage_pool_info_unref(info: *mut qubes_storage_pool_info);
    pub fn qubes_storage_pool_info_name(info: *const qubes_storage_pool_info) -> *const c_char;
    pub fn qubes_storage_pool_info_dir_path(info: *const qubes_storage_pool_info) -> *const c_char;
    pub fn qubes_storage_pool_info_kind(info: *const qubes_storage_pool_info) -> i32;
    pub fn qubes_storage_pool_info_revisions_to_keep(info: *const qubes_storage_pool_info) -> i32;
    pub fn qubes_storage_pool_info_is_online(info: *const qubes_storage_pool_info) -> i32;
    pub fn qubes_storage_pool_info_size_bytes(info: *const qubes_storage_pool_info) -> u64;
    pub fn qubes_storage_pool_info_usage_bytes(info: *const qubes_storage_pool_info) -> u64;
    pub fn qubes_storage_pool_info_filesystem_type(
        info: *const qubes_storage_pool_info,
    ) -> *const c_char;
    pub fn qubes_storage_pool_info_mount_point(
        info: *const qubes_storage_pool_info,
    ) -> *const c_char;
    pub fn qubes_storage_pool_info_device(info: *const qubes_storage_pool_info) -> *const c_char;
    pub fn qubes_storage_pool_info_device_uuid(
        info: *const qubes_storage_pool_info,
    ) -> *const c_char;
    pub fn qubes_storage_pool_info_logical_sector_bytes(
        info: *const qubes_storage_pool_info,
    ) -> u32;
    pub fn qubes_storage_pool_info_physical_sector_bytes(
        info: *const qubes_storage_pool_info,
    ) -> u32;
    pub fn qubes_storage_pool_info_reflink_works(info: *const qubes_storage_pool_info) -> i32;
    pub fn qubes_storage_pool_info_background_waiting(info: *const qubes_storage_pool_info) -> u64;
    pub fn qubes_storage_pool_info_background_running(info: *const qubes_storage_pool_info) -> u64;
    pub fn qubes_storage_volumes_ref(
        volumes: *mut qubes_storage_volumes,
    ) -> *mut qubes_storage_volumes;
    pub fn qubes_storage_volumes_unref(volumes: *mut qubes_storage_volumes);
    pub fn qubes_storage_volumes_count(volumes: *const qubes_storage_volumes) -> usize;
    pub fn qubes_storage_volumes_vid(
        volumes: *const qubes_storage_volumes,
        index: usize,
    ) -> *const c_char;
    pub fn qubes_storage_report_ref(report: *mut qubes_storage_report)
        -> *mut qubes_storage_report;
    pub fn qubes_storage_report_unref(report: *mut qubes_storage_report);
    pub fn qubes_storage_report_count(report: *const qubes_storage_report) -> usize;
    pub fn qubes_storage_report_vid(
        report: *const qubes_storage_report,
        index: usize,
    ) -> *const c_char;
    pub fn qubes_storage_report_finding(
        report: *const qubes_storage_report,
        index: usize,
    ) -> *const c_char;
    pub fn qubes_storage_report_action(
        report: *const qubes_storage_report,
        index: usize,
    ) -> *const c_char;
    pub fn qubes_storage_volume_info_ref(
        info: *mut qubes_storage_volume_info,
    ) -> *mut qubes_storage_volume_info;
    pub fn qubes_storage_volume_info_unref(info: *mut qubes_storage_volume_info);
    pub fn qubes_storage_volume_info_vid(info: *const qubes_storage_volume_info) -> *const c_char;
    pub fn qubes_storage_volume_info_path(info: *const qubes_storage_volume_info) -> *const c_char;
    pub fn qubes_storage_volume_info_size_bytes(info: *const qubes_storage_volume_info) -> u64;
    pub fn qubes_storage_volume_info_usage_bytes(info: *const qubes_storage_volume_info) -> u64;
    pub fn qubes_storage_volume_info_nominal_size_bytes(
        info: *const qubes_storage_volume_info,
    ) -> u64;
    pub fn qubes_storage_volume_info_rw(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_save_on_stop(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_snap_on_start(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_revisions_to_keep(
        info: *const qubes_storage_volume_info,
    ) -> i32;
    pub fn qubes_storage_volume_info_ephemeral(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_source(
        info: *const qubes_storage_volume_info,
    ) -> *const c_char;
    pub fn qubes_storage_volume_info_is_started(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_is_dirty(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_volume_info_is_outdated(info: *const qubes_storage_volume_info) -> i32;
    pub fn qubes_storage_revisions_ref(
        revisions: *mut qubes_storage_revisions,
    ) -> *mut qubes_storage_revisions;
    pub fn qubes_storage_revisions_unref(revisions: *mut qubes_storage_revisions);
    pub fn qubes_storage_revisions_count(revisions: *const qubes_storage_revisions) -> usize;
    pub fn qubes_storage_revisions_number(
        revisions: *const qubes_storage_revisions,
        index: usize,
    ) -> u64;
    pub fn qubes_storage_revisions_created_ns(
        revisions: *const qubes_storage_revisions,
        index: usize,
    ) -> i64;
    pub fn qubes_storage_revisions_size_bytes(
        revisions: *const qubes_storage_revisions,
        index: usize,
    ) -> u64;
}
