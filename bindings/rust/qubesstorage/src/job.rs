// SPDX-License-Identifier: LGPL-2.1-or-later
//! An operation on a thread of the library.
use std::fmt;
use std::future::Future;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use qubesstorage_sys as sys;

use crate::error::{Code, Error, Result};
use crate::handle::{check, known, output, Handle, Reterr};
use crate::reactor::{self, Ticket};

/// The output of the job, once that has finished; or why it failed.
pub(crate) type Take<T> = fn(&JobHandle) -> Result<T>;
pub(crate) type JobHandle = Handle<sys::qubes_storage_job>;

/// An operation that runs on a thread of the library: what each verb with the suffix `_async`
/// returns. It can be waited for
///
/// - by an event loop: its descriptor ([`AsFd`]) becomes readable when the job has finished, and
///   stays so. Do not read it. Then [`Job::wait`] answers at once;
/// - by a thread: [`Job::wait`], [`Job::wait_timeout`];
/// - by `await`, in any executor: it is a [`Future`]. As long as some job is awaited, this crate
///   has one thread, which watches all of them by poll(2), blocks all signals, and is gone with the
///   last. A child of `fork` has no such thread: it must not await any job.
///
/// # Dropping
///
/// **A job that is dropped is cancelled**, as futures are: it is asked to end, and nobody waits for
/// that. What this means is said at [`Job::cancel`]: an operation that has been published is done
/// all the same. To let it run on, [`detach`](Job::detach) it. A job keeps its pool and volume
/// alive; dropping the last handle of a pool waits for all of its jobs.
#[must_use = "a job that is dropped is cancelled"]
pub struct Job<T> {
    // The ticket before the handle: nobody may watch a descriptor that is closed.
    ticket: Option<Ticket>,
    handle: JobHandle,
    take: Take<T>,
    is_detached: bool,
}

impl<T> Job<T> {
    /// Starts a job by a call of an `_async` function. `take` fetches its output.
    pub(crate) fn start(
        take: Take<T>,
        call: impl FnOnce(*mut *mut sys::qubes_storage_job, Reterr) -> i32,
    ) -> Result<Job<T>> {
        Ok(Job { ticket: None, handle: output(call)?, take, is_detached: false })
    }

    /// Waits until the job has finished, and gives what it answered.
    pub fn wait(self) -> Result<T> {
        self.wait_ms(-1)?;
        (self.take)(&self.handle)
    }

    /// Waits until the job has finished, for at most that long (24 days are the most that it
    /// waits). Whether it has finished.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        // Rounded up: never back before the time is over.
        let whole = timeout.as_millis();
        let milliseconds = whole + u128::from(timeout > Duration::from_millis(whole as u64));
        match self.wait_ms(i32::try_from(milliseconds).unwrap_or(i32::MAX)) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Code::Timeout => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the job has finished, well or not.
    pub fn is_finished(&self) -> bool {
        self.wait_ms(0).is_ok()
    }

    /// Bytes done, and bytes in all where that is known. Only what moves or clones data counts.
    pub fn progress(&self) -> Result<(u64, Option<u64>)> {
        let (mut done, mut total) = (0, 0);
        // SAFETY: the handle is live; the outputs live during the call.
        check(|reterr| unsafe {
            sys::qubes_storage_job_progress(self.handle.raw(), &mut done, &mut total, reterr)
        })?;
        Ok((done, known(total)))
    }

    /// Asks the job to end with [`Code::Cancelled`], and returns at once. It takes effect between
    /// steps, never in the middle of one, and as long as nothing has been published: nothing of the
    /// operation is left then. A job that has come further, or has finished, ends as it would have.
    pub fn cancel(&self) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe { sys::qubes_storage_job_cancel(self.handle.raw(), reterr) })
    }

    /// Lets the job run on without this handle. Nobody will know what it answered.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    fn wait_ms(&self, timeout_ms: i32) -> Result<()> {
        // SAFETY: the handle is live.
        check(|reterr| unsafe {
            sys::qubes_storage_job_wait(self.handle.raw(), timeout_ms, reterr)
        })
    }
}

impl<T> AsRawFd for Job<T> {
    fn as_raw_fd(&self) -> RawFd {
        // SAFETY: the handle is live.
        unsafe { sys::qubes_storage_job_fd(self.handle.raw()) }
    }
}

impl<T> AsFd for Job<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the job's handle, which `self` keeps.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

/// Once it has answered, it must not be polled again (as with any future): a descriptor is given
/// away only once.
impl<T> Future for Job<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let job = self.get_mut();
        if job.is_finished() {
            job.ticket = None;
            return Poll::Ready((job.take)(&job.handle));
        }
        let descriptor = job.as_raw_fd();
        match reactor::watch(&mut job.ticket, descriptor, context.waker()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(Error::own_resource("watch the job", &error))),
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if !self.is_detached {
            // It fails for no live job. And a job that has finished is not changed by it.
            let _ = self.cancel();
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Job").field("is_finished", &self.is_finished()).finish()
    }
}

/// For operations without an output.
pub(crate) fn nothing(job: &JobHandle) -> Result<()> {
    // SAFETY: the handle is live.
    check(|reterr| unsafe { sys::qubes_storage_job_result(job.raw(), reterr) })
}
