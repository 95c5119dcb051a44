// SPDX-License-Identifier: LGPL-2.1-or-later
//! Building blocks for other drivers: single files, by path.
use std::ffi::CString;
use std::path::Path;
use std::ptr;

use qubesstorage_sys as sys;

use crate::error::Result;
use crate::handle::{c_string, check, size_or_unknown};
use crate::job::{nothing, Job, JobHandle};

/// How a file is to be cloned. The default: with the size of the source, and the current time.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct CloneOptions {
    size_bytes: Option<u64>,
    keep_mtime: bool,
}

impl CloneOptions {
    /// The clone gets this size instead of that of the source.
    pub fn size(mut self, size_bytes: u64) -> Self {
        self.size_bytes = Some(size_bytes);
        self
    }

    /// The clone gets the mtime of the source instead of the current time.
    pub fn keep_mtime(mut self, keep_mtime: bool) -> Self {
        self.keep_mtime = keep_mtime;
        self
    }

    fn as_raw(&self) -> Result<(u64, u32)> {
        let flags = if self.keep_mtime { sys::QUBES_STORAGE_CLONE_KEEP_MTIME } else { 0 };
        Ok((size_or_unknown("size_bytes", self.size_bytes)?, flags))
    }
}

fn c_path(name: &str, path: &Path) -> Result<CString> {
    c_string(name, path.as_os_str())
}

/// Clones a regular file: by reflink, at one moment, or by a sparse copy where that cannot be. The
/// target is replaced in one step, or made, and durable when this returns. Whether blocks are
/// shared.
pub fn file_clone(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    options: &CloneOptions,
) -> Result<bool> {
    let (source, target) = (c_path("source", source.as_ref())?, c_path("target", target.as_ref())?);
    let (size, flags) = options.as_raw()?;
    let mut reflinked = 0;
    // SAFETY: strings and output live during the call.
    check(|reterr| unsafe {
        let (source, target) = (source.as_ptr(), target.as_ptr());
        sys::qubes_storage_file_clone(source, target, size, flags, &mut reflinked, reterr)
    })?;
    Ok(reflinked != 0)
}

/// As [`file_clone`], in a job: in pieces, so that it can be cancelled. The source must not change.
pub fn file_clone_async(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    options: &CloneOptions,
) -> Result<Job<bool>> {
    let (source, target) = (c_path("source", source.as_ref())?, c_path("target", target.as_ref())?);
    let (size, flags) = options.as_raw()?;
    // SAFETY: the strings live during the call.
    Job::start(take_reflinked, |job, reterr| unsafe {
        let (source, target) = (source.as_ptr(), target.as_ptr());
        sys::qubes_storage_file_clone_async(source, target, size, flags, job, reterr)
    })
}

fn take_reflinked(job: &JobHandle) -> Result<bool> {
    let mut reflinked = 0;
    // SAFETY: the handle is live, the output lives during the call.
    check(|reterr| unsafe {
        sys::qubes_storage_job_get_reflinked(job.raw(), &mut reflinked, reterr)
    })?;
    Ok(reflinked != 0)
}

/// Makes (or replaces, as [`file_clone`] does) a file of zeros that takes no space.
pub fn file_create_sparse(path: impl AsRef<Path>, size_bytes: u64) -> Result<()> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    check(|reterr| unsafe {
        sys::qubes_storage_file_create_sparse(path.as_ptr(), size_bytes, reterr)
    })
}

/// As [`file_create_sparse`], in a job.
pub fn file_create_sparse_async(path: impl AsRef<Path>, size_bytes: u64) -> Result<Job<()>> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    Job::start(nothing, |job, reterr| unsafe {
        sys::qubes_storage_file_create_sparse_async(path.as_ptr(), size_bytes, job, reterr)
    })
}

/// Changes the size of a file in place, either way. Durable when it returns.
pub fn file_resize(path: impl AsRef<Path>, size_bytes: u64) -> Result<()> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    check(|reterr| unsafe { sys::qubes_storage_file_resize(path.as_ptr(), size_bytes, reterr) })
}

/// As [`file_resize`], in a job.
pub fn file_resize_async(path: impl AsRef<Path>, size_bytes: u64) -> Result<Job<()>> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    Job::start(nothing, |job, reterr| unsafe {
        sys::qubes_storage_file_resize_async(path.as_ptr(), size_bytes, job, reterr)
    })
}

/// Tells every loop device on the file that its size has changed.
pub fn loop_refresh(path: impl AsRef<Path>) -> Result<()> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    check(|reterr| unsafe { sys::qubes_storage_loop_refresh(path.as_ptr(), reterr) })
}

/// As [`loop_refresh`], in a job.
pub fn loop_refresh_async(path: impl AsRef<Path>) -> Result<Job<()>> {
    let path = c_path("path", path.as_ref())?;
    // SAFETY: the string lives during the call.
    Job::start(nothing, |job, reterr| unsafe {
        sys::qubes_storage_loop_refresh_async(path.as_ptr(), job, reterr)
    })
}

/// Whether files of `source_dir` can be cloned into `target_dir` by sharing blocks; `None` stands
/// for the same directory. Tried on unnamed files.
pub fn reflink_supported(target_dir: impl AsRef<Path>, source_dir: Option<&Path>) -> Result<bool> {
    let target = c_path("target_dir", target_dir.as_ref())?;
    let source = source_dir.map(|source| c_path("source_dir", source)).transpose()?;
    let mut supported = 0;
    // SAFETY: strings and output live during the call; the source may be NULL.
    check(|reterr| unsafe {
        let source = source.as_ref().map_or(ptr::null(), |source| source.as_ptr());
        sys::qubes_storage_reflink_supported(target.as_ptr(), source, &mut supported, reterr)
    })?;
    Ok(supported != 0)
}

/// As [`reflink_supported`], in a job.
pub fn reflink_supported_async(
    target_dir: impl AsRef<Path>,
    source_dir: Option<&Path>,
) -> Result<Job<bool>> {
    let target = c_path("target_dir", target_dir.as_ref())?;
    let source = source_dir.map(|source| c_path("source_dir", source)).transpose()?;
    // SAFETY: the strings live during the call; the source may be NULL.
    Job::start(take_supported, |job, reterr| unsafe {
        let source = source.as_ref().map_or(ptr::null(), |source| source.as_ptr());
        sys::qubes_storage_reflink_supported_async(target.as_ptr(), source, job, reterr)
    })
}

fn take_supported(job: &JobHandle) -> Result<bool> {
    let mut supported = 0;
    // SAFETY: the handle is live, the output lives during the call.
    check(|reterr| unsafe {
        sys::qubes_storage_job_get_supported(job.raw(), &mut supported, reterr)
    })?;
    Ok(supported != 0)
}
