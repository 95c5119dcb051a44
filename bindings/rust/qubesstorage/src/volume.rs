// SPDX-License-Identifier: LGPL-2.1-or-later
//! Volumes.
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::os::unix::io::{AsFd, AsRawFd, FromRawFd};
use std::path::PathBuf;

use qubesstorage_sys as sys;

use crate::callbacks::{with_progress, Progress};
use crate::error::{Error, Result};
use crate::handle::{check, os_string, output, size_or_unknown, Handle};
use crate::info::{revisions, volume_info, Revision, VolumeInfo};
use crate::job::{nothing, Job, JobHandle};

/// One disk of a pool: a handle, which need not have anything on disk yet. A clone is the same
/// handle once more; an import that it holds is given up with the last.
///
/// Operations on one volume exclude each other, among threads and among processes: a call waits for
/// the one before it. The header of the library says which code each verb answers when.
#[derive(Clone)]
pub struct Volume {
    handle: Handle<sys::qubes_storage_volume>,
}

/// Whether a resize may make a volume smaller, which cuts off its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shrink {
    /// A smaller size is [`Invalid`](crate::Code::Invalid).
    Refuse,
    /// The longer state is kept as a revision.
    Allow,
}

impl Shrink {
    fn flags(self) -> u32 {
        match self {
            Shrink::Refuse => 0,
            Shrink::Allow => sys::QUBES_STORAGE_RESIZE_SHRINK,
        }
    }
}

/// A verb without an output, and its twin. In brackets: what it takes, and what the function of the
/// library takes between the volume and the outputs, which is numbers only.
macro_rules! verbs {
    ($(
        $(#[$doc:meta])*
        $verb:ident, $twin:ident ($($name:ident: $type:ty),*)
            = $function:ident, $function_twin:ident ($($given:expr),*);
    )*) => {
        impl Volume {$(
            $(#[$doc])*
            pub fn $verb(&self $(, $name: $type)*) -> Result<()> {
                check(|reterr| {
                    // SAFETY: the handle is live; numbers may be any.
                    unsafe { sys::$function(self.handle.raw(), $($given,)* reterr) }
                })
            }

            #[doc = concat!("As [`Volume::", stringify!($verb), "`], in a job.")]
            pub fn $twin(&self $(, $name: $type)*) -> Result<Job<()>> {
                Job::start(nothing, |job, reterr| {
                    // SAFETY: the handle is live; numbers may be any.
                    unsafe { sys::$function_twin(self.handle.raw(), $($given,)* job, reterr) }
                })
            }
        )*}
    };
}

verbs! {
    /// Makes the volume: for one that is saved and starts from its own state, an empty image of the
    /// nominal size. For the others there is nothing to make.
    create, create_async ()
        = qubes_storage_volume_create, qubes_storage_volume_create_async (0);

    /// Checks that the volume could be started.
    verify, verify_async ()
        = qubes_storage_volume_verify, qubes_storage_volume_verify_async ();

    /// Removes the image, the session, all revisions, and the directory of the VM if it is empty
    /// then.
    remove, remove_async ()
        = qubes_storage_volume_remove, qubes_storage_volume_remove_async (0);

    /// Begins a session. Of a saved volume that has one, that session is resumed. The virtual
    /// machine may write to [`path`](Volume::path) once this has returned, not before.
    start, start_async ()
        = qubes_storage_volume_start, qubes_storage_volume_start_async (0);

    /// Ends the session: commits it where the volume is saved, throws it away where not. Without a
    /// session: nothing to do. The virtual machine must have closed the file.
    stop, stop_async ()
        = qubes_storage_volume_stop, qubes_storage_volume_stop_async (0);

    /// Ends the session of a saved volume without committing it; for others the same as stop.
    discard, discard_async ()
        = qubes_storage_volume_discard, qubes_storage_volume_discard_async (0);

    /// Changes the size: with a session, of its file and of every loop device on it; without, of
    /// the committed state, or the nominal size.
    resize, resize_async (size_bytes: u64, shrink: Shrink)
        = qubes_storage_volume_resize, qubes_storage_volume_resize_async
            (size_bytes, shrink.flags());

    /// Begins an import: makes an empty file of that size at [`import_path`](Volume::import_path),
    /// for anybody to fill. This handle holds it until the import is ended.
    import_begin, import_begin_async (size_bytes: u64)
        = qubes_storage_volume_import_begin, qubes_storage_volume_import_begin_async
            (size_bytes, 0);

    /// Ends the import that this handle holds: commits it, or throws it away.
    import_end, import_end_async (success: bool)
        = qubes_storage_volume_import_end, qubes_storage_volume_import_end_async
            (success.into(), 0);
}

impl Volume {
    pub(crate) fn from_handle(handle: Handle<sys::qubes_storage_volume>) -> Volume {
        Volume { handle }
    }

    /// The vid that the handle was opened with.
    pub fn vid(&self) -> OsString {
        // SAFETY: the handle is live, and so is its string.
        unsafe { os_string(sys::qubes_storage_volume_vid(self.handle.raw())) }
    }

    /// The file that the virtual machine gets, there now or not.
    pub fn path(&self) -> PathBuf {
        // SAFETY: the handle is live, and so is its string.
        unsafe { os_string(sys::qubes_storage_volume_path(self.handle.raw())) }.into()
    }

    /// The file to fill in an import, there now or not.
    pub fn import_path(&self) -> PathBuf {
        // SAFETY: the handle is live, and so is its string.
        unsafe { os_string(sys::qubes_storage_volume_import_path(self.handle.raw())) }.into()
    }

    /// Makes a revision the committed state; `None` stands for the newest that differs from it. The
    /// state before is kept as a new revision.
    pub fn revert(&self, number: Option<u64>) -> Result<()> {
        let number = revision_or_newest(number)?;
        // SAFETY: the handle is live.
        check(|reterr| unsafe {
            sys::qubes_storage_volume_revert(self.handle.raw(), number, 0, reterr)
        })
    }

    /// As [`revert`](Volume::revert), in a job.
    pub fn revert_async(&self, number: Option<u64>) -> Result<Job<()>> {
        let number = revision_or_newest(number)?;
        // SAFETY: the handle is live.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_revert_async(self.handle.raw(), number, 0, job, reterr)
        })
    }

    // ---- Import and export ----------------------------------------------------------------------

    /// Imports the committed state of a volume of any pool: by reflink where that can be, else by a
    /// sparse copy.
    pub fn import_volume(&self, source: &Volume, progress: Option<Progress<'_>>) -> Result<()> {
        with_progress(progress, |progress, opaque| {
            let (to, from) = (self.handle.raw(), source.handle.raw());
            // SAFETY: both handles are live; what the function is told with lives during the call.
            check(|reterr| unsafe {
                sys::qubes_storage_volume_import_volume(to, from, progress, opaque, 0, reterr)
            })
        })
    }

    /// As [`import_volume`](Volume::import_volume), in a job.
    pub fn import_volume_async(&self, source: &Volume) -> Result<Job<()>> {
        let (to, from) = (self.handle.raw(), source.handle.raw());
        // SAFETY: both handles are live; the job has references of its own.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_import_volume_async(to, from, 0, job, reterr)
        })
    }

    /// Imports from a descriptor: a regular file whole, anything else from where it stands to its
    /// end. `size_bytes` is what the data must come to, where that is known.
    pub fn import_fd(
        &self,
        descriptor: impl AsFd,
        size_bytes: Option<u64>,
        progress: Option<Progress<'_>>,
    ) -> Result<()> {
        let size = size_or_unknown("size_bytes", size_bytes)?;
        let (to, from) = (self.handle.raw(), descriptor.as_fd().as_raw_fd());
        with_progress(progress, |progress, opaque| {
            // SAFETY: the handle is live, the descriptor open; what the function is told with lives
            // during the call.
            check(|reterr| unsafe {
                sys::qubes_storage_volume_import_fd(to, from, size, progress, opaque, 0, reterr)
            })
        })
    }

    /// As [`import_fd`](Volume::import_fd), in a job, which has a duplicate of the descriptor.
    pub fn import_fd_async(
        &self,
        descriptor: impl AsFd,
        size_bytes: Option<u64>,
    ) -> Result<Job<()>> {
        let size = size_or_unknown("size_bytes", size_bytes)?;
        let (to, from) = (self.handle.raw(), descriptor.as_fd().as_raw_fd());
        // SAFETY: the handle is live, the descriptor open.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_import_fd_async(to, from, size, 0, job, reterr)
        })
    }

    /// The committed state, to be read. It is pinned: what is committed later does not change it.
    pub fn export_fd(&self) -> Result<File> {
        let mut descriptor = -1;
        // SAFETY: the handle is live, the output lives during the call.
        check(|reterr| unsafe {
            sys::qubes_storage_volume_export_fd(self.handle.raw(), 0, &mut descriptor, reterr)
        })?;
        // SAFETY: the descriptor was made for us.
        Ok(unsafe { File::from_raw_fd(descriptor) })
    }

    /// As [`export_fd`](Volume::export_fd), in a job.
    pub fn export_fd_async(&self) -> Result<Job<File>> {
        // SAFETY: the handle is live.
        Job::start(take_file, |job, reterr| unsafe {
            sys::qubes_storage_volume_export_fd_async(self.handle.raw(), 0, job, reterr)
        })
    }

    /// Writes the committed state to a descriptor: holes stay holes in a regular file (what it held
    /// is replaced) and are zeros anywhere else. Nothing is synced.
    pub fn export_to(&self, descriptor: impl AsFd, progress: Option<Progress<'_>>) -> Result<()> {
        let (from, to) = (self.handle.raw(), descriptor.as_fd().as_raw_fd());
        with_progress(progress, |progress, opaque| {
            // SAFETY: the handle is live, the descriptor open; what the function is told with lives
            // during the call.
            check(|reterr| unsafe {
                sys::qubes_storage_volume_export_to(from, to, progress, opaque, 0, reterr)
            })
        })
    }

    /// As [`export_to`](Volume::export_to), in a job, which has a duplicate of the descriptor.
    pub fn export_to_async(&self, descriptor: impl AsFd) -> Result<Job<()>> {
        let (from, to) = (self.handle.raw(), descriptor.as_fd().as_raw_fd());
        // SAFETY: the handle is live, the descriptor open.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_export_to_async(from, to, 0, job, reterr)
        })
    }

    // ---- Properties -----------------------------------------------------------------------------

    /// Removes the oldest revisions until `keep` are left.
    pub fn prune(&self, keep: u32) -> Result<()> {
        let keep = count("keep", keep)?;
        // SAFETY: the handle is live.
        check(|reterr| unsafe {
            sys::qubes_storage_volume_prune(self.handle.raw(), keep, 0, reterr)
        })
    }

    /// As [`prune`](Volume::prune), in a job.
    pub fn prune_async(&self, keep: u32) -> Result<Job<()>> {
        let keep = count("keep", keep)?;
        // SAFETY: the handle is live.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_prune_async(self.handle.raw(), keep, 0, job, reterr)
        })
    }

    /// What is known of the volume now. Waits for no operation. An absent pool or image is no
    /// error.
    pub fn info(&self) -> Result<VolumeInfo> {
        // SAFETY: the handle is live.
        let info = output(|info, reterr| unsafe {
            sys::qubes_storage_volume_get_info(self.handle.raw(), info, reterr)
        })?;
        Ok(volume_info(&info))
    }

    /// As [`info`](Volume::info), in a job.
    pub fn info_async(&self) -> Result<Job<VolumeInfo>> {
        // SAFETY: the handles are live.
        Job::start(
            |job| unsafe {
                output(|info, e| sys::qubes_storage_job_get_volume_info(job.raw(), info, e))
                    .map(|info| volume_info(&info))
            },
            |job, reterr| unsafe {
                sys::qubes_storage_volume_get_info_async(self.handle.raw(), job, reterr)
            },
        )
    }

    /// The revisions, oldest number first. Waits for no operation.
    pub fn revisions(&self) -> Result<Vec<Revision>> {
        // SAFETY: the handle is live.
        let list = output(|list, reterr| unsafe {
            sys::qubes_storage_volume_get_revisions(self.handle.raw(), list, reterr)
        })?;
        Ok(revisions(&list))
    }

    /// As [`revisions`](Volume::revisions), in a job.
    pub fn revisions_async(&self) -> Result<Job<Vec<Revision>>> {
        // SAFETY: the handles are live.
        Job::start(
            |job| unsafe {
                output(|list, e| sys::qubes_storage_job_get_revisions(job.raw(), list, e))
                    .map(|list| revisions(&list))
            },
            |job, reterr| unsafe {
                sys::qubes_storage_volume_get_revisions_async(self.handle.raw(), job, reterr)
            },
        )
    }

    /// Of this handle.
    pub fn set_rw(&self, rw: bool) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe {
            sys::qubes_storage_volume_set_rw(self.handle.raw(), rw.into(), reterr)
        })
    }

    /// Of this handle. Lowering it removes nothing until the next commit or prune.
    pub fn set_revisions_to_keep(&self, count: i32) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe {
            sys::qubes_storage_volume_set_revisions_to_keep(self.handle.raw(), count, reterr)
        })
    }

    /// As [`set_revisions_to_keep`](Volume::set_revisions_to_keep), in a job.
    pub fn set_revisions_to_keep_async(&self, count: i32) -> Result<Job<()>> {
        let volume = self.handle.raw();
        // SAFETY: the handle is live.
        Job::start(nothing, |job, reterr| unsafe {
            sys::qubes_storage_volume_set_revisions_to_keep_async(volume, count, job, reterr)
        })
    }
}

/// 0 stands for the newest in C, and for a defect of the caller's here.
fn revision_or_newest(number: Option<u64>) -> Result<u64> {
    match number {
        None => Ok(0),
        Some(0) => Err(Error::argument("number", "there is no revision 0")),
        Some(number) => Ok(number),
    }
}

fn count(name: &str, number: u32) -> Result<i32> {
    i32::try_from(number).map_err(|_| Error::argument(name, "it is too large"))
}

fn take_file(job: &JobHandle) -> Result<File> {
    let mut descriptor = -1;
    // SAFETY: the handle is live, the output lives during the call.
    check(|reterr| unsafe { sys::qubes_storage_job_get_fd(job.raw(), &mut descriptor, reterr) })?;
    // SAFETY: the descriptor was given to us, and is given only once.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

impl fmt::Debug for Volume {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Volume").field("vid", &self.vid()).finish_non_exhaustive()
    }
}
