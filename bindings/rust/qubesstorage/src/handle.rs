// SPDX-License-Identifier: LGPL-2.1-or-later
//! Calls and handles of the library, and the strings that go in and out. All other modules call the
//! library through what is here.
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::raw::c_char;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr::{self, NonNull};

use qubesstorage_sys as sys;

use crate::error::{Error, Result};

/// Where a call stores its error.
pub(crate) type Reterr = *mut *mut sys::qubes_storage_error;

/// A type of the library that is counted.
///
/// # Safety
/// `add` and `give_back` are its `_ref` and `_unref`.
pub(crate) unsafe trait Counted {
    /// # Safety
    /// `raw` is a live handle.
    unsafe fn add(raw: *mut Self);
    /// # Safety
    /// `raw` is a live handle, and one of its references is ours.
    unsafe fn give_back(raw: *mut Self);
}

macro_rules! counted {
    ($($name:ident $add:ident $give_back:ident)*) => {$(
        // SAFETY: these are the functions of that type.
        unsafe impl Counted for sys::$name {
            unsafe fn add(raw: *mut Self) {
                // SAFETY: as the caller says.
                unsafe { sys::$add(raw) };
            }
            unsafe fn give_back(raw: *mut Self) {
                // SAFETY: as the caller says.
                unsafe { sys::$give_back(raw) };
            }
        }
    )*};
}

counted! {
    qubes_storage_pool_config qubes_storage_pool_config_ref qubes_storage_pool_config_unref
    qubes_storage_pool qubes_storage_pool_ref qubes_storage_pool_unref
    qubes_storage_pool_info qubes_storage_pool_info_ref qubes_storage_pool_info_unref
    qubes_storage_volumes qubes_storage_volumes_ref qubes_storage_volumes_unref
    qubes_storage_report qubes_storage_report_ref qubes_storage_report_unref
    qubes_storage_volume_config qubes_storage_volume_config_ref qubes_storage_volume_config_unref
    qubes_storage_volume qubes_storage_volume_ref qubes_storage_volume_unref
    qubes_storage_volume_info qubes_storage_volume_info_ref qubes_storage_volume_info_unref
    qubes_storage_revisions qubes_storage_revisions_ref qubes_storage_revisions_unref
    qubes_storage_job qubes_storage_job_ref qubes_storage_job_unref
}

/// One reference to something of the library.
pub(crate) struct Handle<T: Counted>(NonNull<T>);

/// "Every function may be called from any thread at any time." Not so with configurations: they
/// are not on this list, and do not leave the function that makes them.
trait AnyThread {}
impl AnyThread for sys::qubes_storage_pool {}
impl AnyThread for sys::qubes_storage_volume {}
impl AnyThread for sys::qubes_storage_job {}

// SAFETY: of these types, by the header's rule on threads, any thread may use and give back any
// reference, at the same time as others.
unsafe impl<T: Counted + AnyThread> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T: Counted + AnyThread> Sync for Handle<T> {}

impl<T: Counted> Handle<T> {
    pub(crate) fn raw(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T: Counted> Clone for Handle<T> {
    fn clone(&self) -> Handle<T> {
        // SAFETY: the handle is live as long as self. The new reference belongs to the clone.
        unsafe { T::add(self.raw()) };
        Handle(self.0)
    }
}

impl<T: Counted> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: the reference was ours since the handle was made.
        unsafe { T::give_back(self.raw()) };
    }
}

// ---- Calls --------------------------------------------------------------------------------------

/// Makes a call that can fail.
pub(crate) fn check(call: impl FnOnce(Reterr) -> i32) -> Result<()> {
    let mut error = ptr::null_mut();
    match call(&mut error) {
        sys::QUBES_STORAGE_OK => Ok(()),
        // SAFETY: a call that fails stores an error with one reference, or leaves the NULL.
        code => Err(unsafe { Error::take(code, error) }),
    }
}

/// Makes a call whose output is a handle: it stores one with one reference, or it fails.
pub(crate) fn output<T: Counted>(
    call: impl FnOnce(*mut *mut T, Reterr) -> i32,
) -> Result<Handle<T>> {
    let mut raw = ptr::null_mut();
    check(|reterr| call(&mut raw, reterr))?;
    Ok(Handle(NonNull::new(raw).expect("a call that succeeds stores its output")))
}

// ---- Strings and numbers ------------------------------------------------------------------------

/// # Safety
/// `text` is NULL, or a string that lives during the call.
pub(crate) unsafe fn os_string(text: *const c_char) -> OsString {
    if text.is_null() {
        return OsString::new();
    }
    // SAFETY: as the caller says.
    OsString::from_vec(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// For what is words for people, or known to be ASCII.
///
/// # Safety
/// As `os_string`.
pub(crate) unsafe fn string(text: *const c_char) -> String {
    // SAFETY: as the caller says.
    unsafe { os_string(text) }.to_string_lossy().into_owned()
}

pub(crate) fn c_string(name: &str, text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Error::argument(name, "it has a NUL in it"))
}

/// A size or usage that the library may not know.
pub(crate) fn known(bytes: u64) -> Option<u64> {
    (bytes != sys::QUBES_STORAGE_UNKNOWN).then_some(bytes)
}

/// The other way: the number that stands for "unknown" is no size.
pub(crate) fn size_or_unknown(name: &str, size: Option<u64>) -> Result<u64> {
    match size {
        None => Ok(sys::QUBES_STORAGE_UNKNOWN),
        Some(sys::QUBES_STORAGE_UNKNOWN) => Err(Error::argument(name, "it is too large")),
        Some(bytes) => Ok(bytes),
    }
}
