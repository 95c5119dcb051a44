// SPDX-License-Identifier: LGPL-2.1-or-later
//! Functions of the caller's that the library calls. A panic never crosses it.
use std::any::Any;
use std::ffi::CStr;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr;

use qubesstorage_sys as sys;

use crate::error::Result;
use crate::handle::known;

/// Told of a long copy, on the thread that called: bytes done, and bytes in all where that is
/// known. `Break` ends the copy with [`Code::Cancelled`](crate::Code::Cancelled), and nothing of it
/// is left. It must not use the same volume.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>) -> ControlFlow<()>;

struct Watcher<'a> {
    progress: Progress<'a>,
    panic: Option<Box<dyn Any + Send>>,
}

/// # Safety
/// `opaque` is a `Watcher` that nobody else uses during the call.
unsafe extern "C" fn tell(opaque: *mut c_void, bytes_done: u64, bytes_total: u64) -> i32 {
    // SAFETY: as the caller says.
    let watcher = unsafe { &mut *opaque.cast::<Watcher<'_>>() };
    let progress = &mut watcher.progress;
    match catch_unwind(AssertUnwindSafe(|| progress(bytes_done, known(bytes_total)))) {
        Ok(ControlFlow::Continue(())) => 0,
        Ok(ControlFlow::Break(())) => 1,
        Err(panic) => {
            watcher.panic = Some(panic);
            1
        }
    }
}

/// Makes a call that takes a progress function. What that function panicked with goes on here, when
/// the call has cleared up behind itself.
pub(crate) fn with_progress(
    progress: Option<Progress<'_>>,
    call: impl FnOnce(sys::qubes_storage_progress, *mut c_void) -> Result<()>,
) -> Result<()> {
    let progress = match progress {
        None => return call(None, ptr::null_mut()),
        Some(progress) => progress,
    };
    let mut watcher = Watcher { progress, panic: None };
    let result = call(Some(tell), (&mut watcher as *mut Watcher<'_>).cast());
    if let Some(panic) = watcher.panic {
        resume_unwind(panic);
    }
    result
}

/// How bad it is, what the listener of a pool is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogLevel {
    /// It failed: something will be slower.
    Warning,
    /// It was done.
    Info,
}

/// The listener of a pool, with its type gone.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    pub(crate) function: sys::qubes_storage_log,
    pub(crate) opaque: *mut c_void,
}

// SAFETY: `opaque` is a reference to something that any thread may use (`Sync`), for ever.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

impl Log {
    /// For ever, because the library may call it as long as any handle of the pool is there, also
    /// one of a job that was dropped and still runs.
    pub(crate) fn new<F: Fn(LogLevel, &str) + Sync>(listener: &'static F) -> Log {
        Log { function: Some(log_to::<F>), opaque: listener as *const F as *mut c_void }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Log")
    }
}

/// # Safety
/// `opaque` is a `&'static F`; `message` is a string that lives during the call.
unsafe extern "C" fn log_to<F: Fn(LogLevel, &str) + Sync>(
    opaque: *mut c_void,
    level: i32,
    message: *const c_char,
) {
    // SAFETY: as the caller says.
    let (listener, message) = unsafe { (&*opaque.cast::<F>(), CStr::from_ptr(message)) };
    let level = match level {
        sys::QUBES_STORAGE_LOG_WARNING => LogLevel::Warning,
        _ => LogLevel::Info,
    };
    contain(|| listener(level, &message.to_string_lossy()));
}

/// Calls what may panic where there is nobody to whom that could go on. The hook for panics has
/// told of it. What was thrown is forgotten: it could panic again when it is dropped.
pub(crate) fn contain(call: impl FnOnce()) {
    if let Err(thrown) = catch_unwind(AssertUnwindSafe(call)) {
        mem::forget(thrown);
    }
}
