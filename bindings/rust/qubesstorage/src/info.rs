// SPDX-License-Identifier: LGPL-2.1-or-later
//! What is known of pools and volumes: plain values, taken at one moment.
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qubesstorage_sys as sys;

use crate::handle::{known, os_string, string, Handle};
use crate::options::PoolKind;

/// What is known of a pool. Numbers that are not known are `None`, strings are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolInfo {
    /// The label that the caller gave.
    pub name: OsString,
    /// Absolute.
    pub dir_path: PathBuf,
    /// What is in it.
    pub kind: PoolKind,
    /// What volumes get that do not say themselves.
    pub revisions_to_keep: i32,
    /// Whether the directory is there.
    pub is_online: bool,
    /// Of the whole filesystem that the pool lies on.
    pub size_bytes: Option<u64>,
    /// Of the whole filesystem that the pool lies on.
    pub usage_bytes: Option<u64>,
    /// For example "xfs".
    pub filesystem_type: String,
    /// Where the filesystem is mounted.
    pub mount_point: PathBuf,
    /// What carries the filesystem.
    pub device: PathBuf,
    /// Of the filesystem on that device; empty also where the caller may not read the device.
    pub device_uuid: String,
    /// 0 where unknown.
    pub logical_sector_bytes: u32,
    /// 0 where unknown.
    pub physical_sector_bytes: u32,
    /// Tried on unnamed files; false as well where that was not possible.
    pub reflink_works: bool,
    /// Pieces of work in the background that wait.
    pub background_waiting: u64,
    /// Pieces of work in the background that run.
    pub background_running: u64,
}

pub(crate) fn pool_info(handle: &Handle<sys::qubes_storage_pool_info>) -> PoolInfo {
    use sys::*;
    let info = handle.raw();
    // SAFETY, for all of them: the snapshot and its strings live as long as the handle.
    unsafe {
        PoolInfo {
            name: os_string(qubes_storage_pool_info_name(info)),
            dir_path: os_string(qubes_storage_pool_info_dir_path(info)).into(),
            kind: PoolKind::from_raw(qubes_storage_pool_info_kind(info)),
            revisions_to_keep: qubes_storage_pool_info_revisions_to_keep(info),
            is_online: qubes_storage_pool_info_is_online(info) != 0,
            size_bytes: known(qubes_storage_pool_info_size_bytes(info)),
            usage_bytes: known(qubes_storage_pool_info_usage_bytes(info)),
            filesystem_type: string(qubes_storage_pool_info_filesystem_type(info)),
            mount_point: os_string(qubes_storage_pool_info_mount_point(info)).into(),
            device: os_string(qubes_storage_pool_info_device(info)).into(),
            device_uuid: string(qubes_storage_pool_info_device_uuid(info)),
            logical_sector_bytes: qubes_storage_pool_info_logical_sector_bytes(info),
            physical_sector_bytes: qubes_storage_pool_info_physical_sector_bytes(info),
            reflink_works: qubes_storage_pool_info_reflink_works(info) != 0,
            background_waiting: qubes_storage_pool_info_background_waiting(info),
            background_running: qubes_storage_pool_info_background_running(info),
        }
    }
}

/// What is known of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeInfo {
    /// `PREFIX/VM/NAME`.
    pub vid: OsString,
    /// The file that the virtual machine gets, there now or not.
    pub path: PathBuf,
    /// The size of the session's file, else of the committed state, else the nominal size.
    pub size_bytes: Option<u64>,
    /// What is allocated to the same file, blocks shared with other files included.
    pub usage_bytes: Option<u64>,
    /// What the options, or a resize, said.
    pub nominal_size_bytes: Option<u64>,
    /// Whether it may be resized, and the virtual machine may write to it.
    pub rw: bool,
    /// Whether sessions are committed.
    pub save_on_stop: bool,
    /// Whether sessions start from the source.
    pub snap_on_start: bool,
    /// How many earlier states are kept; -1: snapshots are disabled.
    pub revisions_to_keep: i32,
    /// The mark of the caller's.
    pub ephemeral: bool,
    /// The vid that sessions start from.
    pub source: Option<OsString>,
    /// Whether a session's file is there.
    pub is_started: bool,
    /// Whether it is there and the volume is saved: something that was not committed.
    pub is_dirty: bool,
    /// Whether the source of a started snapshot volume has been committed anew since.
    pub is_outdated: bool,
}

pub(crate) fn volume_info(handle: &Handle<sys::qubes_storage_volume_info>) -> VolumeInfo {
    use sys::*;
    let info = handle.raw();
    // SAFETY, for all of them: the snapshot and its strings live as long as the handle.
    unsafe {
        let source = qubes_storage_volume_info_source(info);
        VolumeInfo {
            vid: os_string(qubes_storage_volume_info_vid(info)),
            path: os_string(qubes_storage_volume_info_path(info)).into(),
            size_bytes: known(qubes_storage_volume_info_size_bytes(info)),
            usage_bytes: known(qubes_storage_volume_info_usage_bytes(info)),
            nominal_size_bytes: known(qubes_storage_volume_info_nominal_size_bytes(info)),
            rw: qubes_storage_volume_info_rw(info) != 0,
            save_on_stop: qubes_storage_volume_info_save_on_stop(info) != 0,
            snap_on_start: qubes_storage_volume_info_snap_on_start(info) != 0,
            revisions_to_keep: qubes_storage_volume_info_revisions_to_keep(info),
            ephemeral: qubes_storage_volume_info_ephemeral(info) != 0,
            source: (!source.is_null()).then(|| os_string(source)),
            is_started: qubes_storage_volume_info_is_started(info) != 0,
            is_dirty: qubes_storage_volume_info_is_dirty(info) != 0,
            is_outdated: qubes_storage_volume_info_is_outdated(info) != 0,
        }
    }
}

/// An earlier committed state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revision {
    /// For [`Volume::revert`](crate::Volume::revert). Larger is newer.
    pub number: u64,
    /// When its content was last written, in whole seconds. It orders nothing.
    pub created: SystemTime,
    /// Its size.
    pub size_bytes: Option<u64>,
}

pub(crate) fn revisions(handle: &Handle<sys::qubes_storage_revisions>) -> Vec<Revision> {
    let list = handle.raw();
    // SAFETY: the snapshot lives as long as the handle.
    let count = unsafe { sys::qubes_storage_revisions_count(list) };
    (0..count)
        // SAFETY: as above; any index is allowed.
        .map(|index| unsafe {
            Revision {
                number: sys::qubes_storage_revisions_number(list, index),
                created: time(sys::qubes_storage_revisions_created_ns(list, index)),
                size_bytes: known(sys::qubes_storage_revisions_size_bytes(list, index)),
            }
        })
        .collect()
}

/// Nanoseconds since the epoch, or before it. 292 years of them are no problem for `SystemTime`.
fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

pub(crate) fn vids(handle: &Handle<sys::qubes_storage_volumes>) -> Vec<OsString> {
    let list = handle.raw();
    // SAFETY: the snapshot lives as long as the handle.
    let count = unsafe { sys::qubes_storage_volumes_count(list) };
    // SAFETY: as above, and so do its strings; any index is allowed.
    (0..count)
        .map(|index| unsafe { os_string(sys::qubes_storage_volumes_vid(list, index)) })
        .collect()
}

/// Something that [`Pool::recover`](crate::Pool::recover) found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Of which volume.
    pub vid: OsString,
    /// What was found, with the file's name: words for people.
    pub finding: String,
    /// What was done about it: words for people.
    pub action: String,
}

pub(crate) fn findings(handle: &Handle<sys::qubes_storage_report>) -> Vec<Finding> {
    let report = handle.raw();
    // SAFETY: the snapshot lives as long as the handle.
    let count = unsafe { sys::qubes_storage_report_count(report) };
    (0..count)
        // SAFETY: as above, and so do its strings; any index is allowed.
        .map(|index| unsafe {
            Finding {
                vid: os_string(sys::qubes_storage_report_vid(report, index)),
                finding: string(sys::qubes_storage_report_finding(report, index)),
                action: string(sys::qubes_storage_report_action(report, index)),
            }
        })
        .collect()
}
