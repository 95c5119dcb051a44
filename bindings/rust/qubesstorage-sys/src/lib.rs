// SPDX-License-Identifier: LGPL-2.1-or-later
//! Raw declarations of libqubesstorage: `qubes/storage.h`, name by name. The header is the manual;
//! the crate `qubesstorage` is the safe face of it.
//!
//! Written by hand and compared with the header by a test (`tests/header.rs`): every function and
//! constant is here, with the same types and names of arguments.
//!
//! What each call asks of its caller: a handle is NULL, or one that the library gave and that was
//! not given back by its last `_unref`; a string ends with NUL; an output can be written to; a
//! configuration is used by one thread at a time. No callback may unwind into the library.
#![allow(non_camel_case_types)]

use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_char, c_int, c_void};

mod config;
mod file;
mod info;
mod job;
mod pool;
mod volume;

pub use config::*;
pub use file::*;
pub use info::*;
pub use job::*;
pub use pool::*;
pub use volume::*;

// ---- Codes --------------------------------------------------------------------------------------

pub const QUBES_STORAGE_OK: i32 = 0;
pub const QUBES_STORAGE_INVALID: i32 = -1;
pub const QUBES_STORAGE_NOT_FOUND: i32 = -2;
pub const QUBES_STORAGE_EXISTS: i32 = -3;
pub const QUBES_STORAGE_BUSY: i32 = -4;
pub const QUBES_STORAGE_DIRTY: i32 = -5;
pub const QUBES_STORAGE_READ_ONLY: i32 = -6;
pub const QUBES_STORAGE_NOT_SUPPORTED: i32 = -7;
pub const QUBES_STORAGE_NO_SPACE: i32 = -8;
pub const QUBES_STORAGE_IO: i32 = -9;
pub const QUBES_STORAGE_CORRUPT: i32 = -10;
pub const QUBES_STORAGE_OFFLINE: i32 = -11;
pub const QUBES_STORAGE_CANCELLED: i32 = -12;
pub const QUBES_STORAGE_TIMEOUT: i32 = -13;
pub const QUBES_STORAGE_NO_MEMORY: i32 = -14;
pub const QUBES_STORAGE_INTERNAL: i32 = -15;
pub const QUBES_STORAGE_UNKNOWN_OUTCOME: i32 = -16;

pub const QUBES_STORAGE_UNKNOWN: u64 = u64::MAX;

pub const QUBES_STORAGE_POOL_REFLINK: i32 = 0;
pub const QUBES_STORAGE_POOL_KERNELS: i32 = 1;

pub const QUBES_STORAGE_LOG_WARNING: i32 = 1;
pub const QUBES_STORAGE_LOG_INFO: i32 = 2;

pub const QUBES_STORAGE_RESIZE_SHRINK: u32 = 1;
pub const QUBES_STORAGE_CLONE_KEEP_MTIME: u32 = 1;

// ---- Handles, callbacks -------------------------------------------------------------------------

/// Nothing is known of what is behind a handle: neither its size, nor whether it may move or cross
/// threads.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub struct $name {
            _data: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    qubes_storage_error
    qubes_storage_pool_config
    qubes_storage_pool
    qubes_storage_pool_info
    qubes_storage_volumes
    qubes_storage_report
    qubes_storage_volume_config
    qubes_storage_volume
    qubes_storage_volume_info
    qubes_storage_revisions
    qubes_storage_job
}

pub type qubes_storage_progress =
    Option<unsafe extern "C" fn(opaque: *mut c_void, bytes_done: u64, bytes_total: u64) -> i32>;
pub type qubes_storage_log =
    Option<unsafe extern "C" fn(opaque: *mut c_void, level: i32, message: *const c_char)>;

// ---- The library, errors ------------------------------------------------------------------------

extern "C" {
    pub fn qubes_storage_version() -> *const c_char;
    pub fn qubes_storage_code_name(code: i32) -> *const c_char;
    pub fn qubes_storage_error_ref(error: *mut qubes_storage_error) -> *mut qubes_storage_error;
    pub fn qubes_storage_error_unref(error: *mut qubes_storage_error);
    pub fn qubes_storage_error_code(error: *const qubes_storage_error) -> i32;
    pub fn qubes_storage_error_errno(error: *const qubes_storage_error) -> i32;
    pub fn qubes_storage_error_step(error: *const qubes_storage_error) -> *const c_char;
    pub fn qubes_storage_error_path(error: *const qubes_storage_error) -> *const c_char;
    pub fn qubes_storage_error_message(error: *const qubes_storage_error) -> *const c_char;
}
