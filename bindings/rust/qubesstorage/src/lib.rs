// SPDX-License-Identifier: LGPL-2.1-or-later
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

mod callbacks;
mod error;
mod files;
mod handle;
mod info;
mod job;
mod options;
mod pool;
mod reactor;
mod volume;

pub use callbacks::{LogLevel, Progress};
pub use error::{Code, Error, Result};
pub use files::{
    file_clone, file_clone_async, file_create_sparse, file_create_sparse_async, file_resize,
    file_resize_async, loop_refresh, loop_refresh_async, reflink_supported,
    reflink_supported_async, CloneOptions,
};
pub use info::{Finding, PoolInfo, Revision, VolumeInfo};
pub use job::Job;
pub use options::{PoolKind, PoolOptions, VolumeOptions};
pub use pool::Pool;
pub use volume::{Shrink, Volume};

/// The version of the library in use, "MAJOR.MINOR.PATCH".
pub fn version() -> String {
    // SAFETY: the library gives a string for ever.
    unsafe { handle::string(qubesstorage_sys::qubes_storage_version()) }
}
