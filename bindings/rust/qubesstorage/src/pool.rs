// SPDX-License-Identifier: LGPL-2.1-or-later
//! Pools.
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::raw::c_char;
use std::path::Path;

use qubesstorage_sys as sys;

use crate::error::Result;
use crate::handle::{c_string, check, output, Handle, Reterr};
use crate::info::{findings, pool_info, vids, Finding, PoolInfo};
use crate::job::{nothing, Job};
use crate::options::{PoolOptions, VolumeOptions};
use crate::volume::Volume;

/// A directory of volumes. A clone is another handle for the same pool.
///
/// Whichever handle of a pool is dropped last (a pool, a volume, a job) waits for jobs and for work
/// in the background.
#[derive(Clone)]
pub struct Pool {
    handle: Handle<sys::qubes_storage_pool>,
}

impl Pool {
    /// Opens the pool in a directory. The disk is not touched: a pool whose directory is absent
    /// opens, and answers [`Offline`](crate::Code::Offline) to what needs it until the directory
    /// is there.
    pub fn open(dir_path: impl AsRef<Path>) -> Result<Pool> {
        Pool::options(dir_path).open()
    }

    /// Opens a pool otherwise than by the defaults.
    pub fn options(dir_path: impl AsRef<Path>) -> PoolOptions {
        PoolOptions::new(dir_path.as_ref())
    }

    pub(crate) fn from_handle(handle: Handle<sys::qubes_storage_pool>) -> Pool {
        Pool { handle }
    }

    /// A handle for the volume `vid` (`PREFIX/VM/NAME`). The disk is not touched: the volume need
    /// not exist. Several handles for one volume may exist; the properties set on one are its own.
    pub fn volume(&self, vid: impl AsRef<OsStr>, options: &VolumeOptions) -> Result<Volume> {
        let vid = c_string("vid", vid.as_ref())?;
        let config = options.config()?;
        // SAFETY: both handles are live, the configuration is of this thread, and the string lives
        // during the call.
        let volume = output(|volume, reterr| unsafe {
            let pool = self.handle.raw();
            sys::qubes_storage_pool_volume(pool, vid.as_ptr(), config.raw(), volume, reterr)
        })?;
        Ok(Volume::from_handle(volume))
    }

    /// Makes the directory of the pool, one level deep, and those of the prefixes, where they are
    /// absent. If it is to check that, and the filesystem cannot reflink, removes again what it
    /// made.
    pub fn setup(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe { sys::qubes_storage_pool_setup(self.handle.raw(), reterr) })
    }

    /// As [`setup`](Pool::setup), in a job.
    pub fn setup_async(&self) -> Result<Job<()>> {
        // SAFETY: the handle is live.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_pool_setup_async(self.handle.raw(), job, reterr)
        })
    }

    /// What is known of the pool now. An absent directory is no error.
    pub fn info(&self) -> Result<PoolInfo> {
        // SAFETY: the handle is live.
        let info = output(|info, reterr| unsafe {
            sys::qubes_storage_pool_get_info(self.handle.raw(), info, reterr)
        })?;
        Ok(pool_info(&info))
    }

    /// As [`info`](Pool::info), in a job.
    pub fn info_async(&self) -> Result<Job<PoolInfo>> {
        // SAFETY: the handles are live.
        Job::start(
            |job| unsafe {
                output(|info, e| sys::qubes_storage_job_get_pool_info(job.raw(), info, e))
                    .map(|info| pool_info(&info))
            },
            |job, reterr| unsafe {
                sys::qubes_storage_pool_get_info_async(self.handle.raw(), job, reterr)
            },
        )
    }

    /// The vids of all volumes that have an image, a session or a revision, sorted.
    pub fn list(&self) -> Result<Vec<OsString>> {
        // SAFETY: the handle is live.
        let volumes = output(|volumes, reterr| unsafe {
            sys::qubes_storage_pool_list(self.handle.raw(), volumes, reterr)
        })?;
        Ok(vids(&volumes))
    }

    /// As [`list`](Pool::list), in a job.
    pub fn list_async(&self) -> Result<Job<Vec<OsString>>> {
        // SAFETY: the handles are live.
        Job::start(
            |job| unsafe {
                output(|volumes, e| sys::qubes_storage_job_get_volumes(job.raw(), volumes, e))
                    .map(|volumes| vids(&volumes))
            },
            |job, reterr| unsafe {
                sys::qubes_storage_pool_list_async(self.handle.raw(), job, reterr)
            },
        )
    }

    /// Clears what crashes left, for every volume of the pool, and says what it found. It never
    /// removes a committed state, a session, or a revision that is not a second name of another.
    /// Sessions are reported: the caller decides to stop, start or discard them.
    pub fn recover(&self) -> Result<Vec<Finding>> {
        // SAFETY: the handle is live.
        let report = output(|report, reterr| unsafe {
            sys::qubes_storage_pool_recover(self.handle.raw(), report, reterr)
        })?;
        Ok(findings(&report))
    }

    /// As [`recover`](Pool::recover), in a job.
    pub fn recover_async(&self) -> Result<Job<Vec<Finding>>> {
        // SAFETY: the handles are live.
        Job::start(
            |job| unsafe {
                output(|report, e| sys::qubes_storage_job_get_report(job.raw(), report, e))
                    .map(|report| findings(&report))
            },
            |job, reterr| unsafe {
                sys::qubes_storage_pool_recover_async(self.handle.raw(), job, reterr)
            },
        )
    }

    /// Waits until the work in the background has been done.
    pub fn drain(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe { sys::qubes_storage_pool_drain(self.handle.raw(), reterr) })
    }

    /// As [`drain`](Pool::drain), in a job.
    pub fn drain_async(&self) -> Result<Job<()>> {
        // SAFETY: the handle is live.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_pool_drain_async(self.handle.raw(), job, reterr)
        })
    }

    /// Which of the given places contains this pool, so that its space is not counted twice: the
    /// deepest directory that encloses the pool's, else the LVM thin pool ("VG/POOL") below it.
    pub fn included_in<S: AsRef<OsStr>>(&self, candidates: &[S]) -> Result<Option<usize>> {
        let candidates = Candidates::new(candidates)?;
        let mut index = 0;
        // SAFETY: the handle is live; array, strings and output live during the call.
        check(|reterr| unsafe {
            let (array, count) = (candidates.array.as_ptr(), candidates.array.len());
            let pool = self.handle.raw();
            sys::qubes_storage_pool_included_in(pool, array, count, &mut index, reterr)
        })?;
        which(index)
    }

    /// As [`included_in`](Pool::included_in), in a job.
    pub fn included_in_async<S: AsRef<OsStr>>(
        &self,
        candidates: &[S],
    ) -> Result<Job<Option<usize>>> {
        let candidates = Candidates::new(candidates)?;
        // SAFETY: the handles are live; array, strings and output live during the calls.
        Job::start(
            |job| unsafe {
                let mut index = 0;
                check(|e| sys::qubes_storage_job_get_index(job.raw(), &mut index, e))?;
                which(index)
            },
            |job: *mut *mut sys::qubes_storage_job, reterr: Reterr| unsafe {
                let (array, count) = (candidates.array.as_ptr(), candidates.array.len());
                let pool = self.handle.raw();
                sys::qubes_storage_pool_included_in_async(pool, array, count, job, reterr)
            },
        )
    }
}

/// An array of strings, as C has it.
struct Candidates {
    array: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Candidates {
    fn new<S: AsRef<OsStr>>(candidates: &[S]) -> Result<Candidates> {
        let strings = candidates.iter().map(|it| c_string("candidates", it.as_ref()));
        let strings = strings.collect::<Result<Vec<_>>>()?;
        let array = strings.iter().map(|string| string.as_ptr()).collect();
        Ok(Candidates { array, _strings: strings })
    }
}

/// -1 is none.
fn which(index: i64) -> Result<Option<usize>> {
    Ok(usize::try_from(index).ok())
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").finish_non_exhaustive()
    }
}
