// SPDX-License-Identifier: LGPL-2.1-or-later
//! What a failure says.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use qubesstorage_sys as sys;

use crate::handle::{os_string, string};

/// What every function here that can fail returns.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $constant:ident,)*) => {
        /// What kind of failure it was. The header of the library says of each function which of
        /// them it answers, and `docs/API_RULES.md` what a caller does about each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// A later library may answer a code that is not known here. The header says how to
            /// treat that.
            fn from_raw(code: i32) -> Code {
                match code {
                    $(sys::$constant => Code::$name,)*
                    _ => Code::Internal,
                }
            }

            fn as_raw(self) -> i32 {
                match self {
                    $(Code::$name => sys::$constant,)*
                }
            }
        }
    };
}

codes! {
    /// An argument that can never be right.
    Invalid = QUBES_STORAGE_INVALID,
    /// No such volume, image, revision, file.
    NotFound = QUBES_STORAGE_NOT_FOUND,
    /// It is there already.
    Exists = QUBES_STORAGE_EXISTS,
    /// Somebody else is using it: an import, an export.
    Busy = QUBES_STORAGE_BUSY,
    /// The volume has a session that was not committed.
    Dirty = QUBES_STORAGE_DIRTY,
    /// The volume or the pool may not be written.
    ReadOnly = QUBES_STORAGE_READ_ONLY,
    /// This kind of volume, pool, filesystem cannot.
    NotSupported = QUBES_STORAGE_NOT_SUPPORTED,
    /// The filesystem or the quota is full.
    NoSpace = QUBES_STORAGE_NO_SPACE,
    /// The kernel failed or refused: see the errno.
    Io = QUBES_STORAGE_IO,
    /// What is on disk is not what it must be.
    Corrupt = QUBES_STORAGE_CORRUPT,
    /// The directory of the pool is absent.
    Offline = QUBES_STORAGE_OFFLINE,
    /// The progress function, or a cancel, asked to stop.
    Cancelled = QUBES_STORAGE_CANCELLED,
    /// The time given was over.
    Timeout = QUBES_STORAGE_TIMEOUT,
    /// Out of memory, descriptors or threads.
    NoMemory = QUBES_STORAGE_NO_MEMORY,
    /// A defect of the library, or a code that this crate does not know.
    Internal = QUBES_STORAGE_INTERNAL,
    /// The new state is in place, but the sync that makes it durable failed: look again after the
    /// filesystem has been mended.
    UnknownOutcome = QUBES_STORAGE_UNKNOWN_OUTCOME,
}

impl Code {
    /// The name as the C API has it, for example "DIRTY".
    pub fn name(self) -> String {
        // SAFETY: the library gives a string for ever, for any number.
        unsafe { string(sys::qubes_storage_code_name(self.as_raw())) }
    }

    fn kind(self) -> io::ErrorKind {
        match self {
            Code::Invalid => io::ErrorKind::InvalidInput,
            Code::NotFound | Code::Offline => io::ErrorKind::NotFound,
            Code::Exists => io::ErrorKind::AlreadyExists,
            Code::ReadOnly => io::ErrorKind::PermissionDenied,
            Code::NotSupported => io::ErrorKind::Unsupported,
            Code::Corrupt => io::ErrorKind::InvalidData,
            Code::Cancelled => io::ErrorKind::Other, // `Interrupted` asks for a retry
            Code::Timeout => io::ErrorKind::TimedOut,
            Code::NoMemory => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        }
    }
}

/// A failure. After any but [`Code::UnknownOutcome`] the committed state is what it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    errno: i32,
    step: String,
    path: PathBuf,
    message: String,
}

impl Error {
    /// Takes over the error that a call stored with its `code`.
    ///
    /// # Safety
    /// `raw` is NULL, or an error with a reference that is ours to give back.
    pub(crate) unsafe fn take(code: i32, raw: *mut sys::qubes_storage_error) -> Error {
        let code = Code::from_raw(code);
        if raw.is_null() {
            return Error::own(code, "", "", format!("the library answers {}", code.name()));
        }
        // SAFETY: the error is live until the unref at the end, and so are its strings.
        unsafe {
            let error = Error {
                code,
                errno: sys::qubes_storage_error_errno(raw),
                step: string(sys::qubes_storage_error_step(raw)),
                path: os_string(sys::qubes_storage_error_path(raw)).into(),
                message: string(sys::qubes_storage_error_message(raw)),
            };
            sys::qubes_storage_error_unref(raw);
            error
        }
    }

    fn own(code: Code, step: &str, path: &str, message: String) -> Error {
        Error { code, errno: 0, step: step.to_owned(), path: path.into(), message }
    }

    /// An argument that can be written in Rust and not in C. Said as the library says it.
    pub(crate) fn argument(name: &str, why: &str) -> Error {
        let message = format!("cannot check argument '{}': {}", name, why);
        Error::own(Code::Invalid, "check argument", name, message)
    }

    /// The kernel refused something that this crate asked for itself.
    pub(crate) fn own_resource(step: &str, error: &io::Error) -> Error {
        let message = format!("cannot {}: {}", step, error);
        let errno = error.raw_os_error().unwrap_or(0);
        Error { errno, ..Error::own(Code::NoMemory, step, "", message) }
    }

    /// What kind of failure it was.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The errno of the kernel behind it, 0 where there was none.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What was being done, for example "sync directory".
    pub fn step(&self) -> &str {
        &self.step
    }

    /// On which path, volume or argument; empty if on none.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole as one sentence without a final full stop.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The kind follows from the code. The error itself is inside: `io::Error::get_ref`.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.code.kind(), error)
    }
}
