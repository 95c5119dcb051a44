// SPDX-License-Identifier: LGPL-2.1-or-later
//! What a failure says, and what is refused before the library is asked.
mod support;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use qubesstorage::*;
use support::*;

#[test]
fn an_error_has_code_errno_step_path_and_message() {
    let place = Place::new("error");
    let pool = Pool::open(place.join("no/pool")).unwrap();
    let error = fails(Code::Offline, pool.setup());
    assert_eq!(error.errno(), 2);
    assert!(!error.step().is_empty());
    assert!(error.path().starts_with(place.join("no")), "{:?}", error);
    assert!(error.message().contains("no/pool") || error.message().contains("no'"));
    assert_eq!(error.to_string(), error.message());
    let shown: &dyn std::error::Error = &error;
    assert_eq!(shown.to_string(), error.message());

    let io_error = io::Error::from(error.clone());
    assert_eq!(io_error.kind(), io::ErrorKind::NotFound);
    let inner = io_error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner, &error);
}

#[test]
fn each_code_is_named_as_in_c() {
    let names = [
        (Code::Invalid, "INVALID"),
        (Code::NotFound, "NOT_FOUND"),
        (Code::Exists, "EXISTS"),
        (Code::Busy, "BUSY"),
        (Code::Dirty, "DIRTY"),
        (Code::ReadOnly, "READ_ONLY"),
        (Code::NotSupported, "NOT_SUPPORTED"),
        (Code::NoSpace, "NO_SPACE"),
        (Code::Io, "IO"),
        (Code::Corrupt, "CORRUPT"),
        (Code::Offline, "OFFLINE"),
        (Code::Cancelled, "CANCELLED"),
        (Code::Timeout, "TIMEOUT"),
        (Code::NoMemory, "NO_MEMORY"),
        (Code::Internal, "INTERNAL"),
        (Code::UnknownOutcome, "UNKNOWN_OUTCOME"),
    ];
    for (code, name) in names {
        assert_eq!(code.name(), name);
    }
    // All of them: the numbers of the header have no gaps.
    assert_eq!(names.len(), -qubesstorage_sys::QUBES_STORAGE_UNKNOWN_OUTCOME as usize);
}

#[test]
fn a_code_is_told_from_the_others() {
    let place = Place::new("codes");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "text");
    fails(Code::Exists, volume.create());
    volume.start().unwrap();
    fails(Code::Dirty, volume.import_begin(MIB));
    volume.stop().unwrap();
    volume.import_begin(MIB).unwrap();
    fails(Code::Busy, origin(&pool, PRIVATE).start());
    volume.import_end(false).unwrap();
    let image = place.image(PRIVATE, ".img");
    fs::remove_file(&image).unwrap();
    fs::create_dir(&image).unwrap();
    let error = fails(Code::Corrupt, volume.verify());
    assert_eq!(error.path(), image);
}

#[test]
fn a_nul_in_a_string_is_refused_with_the_argument() {
    let place = Place::new("nul");
    let pool = place.pool();
    let nul = "a\0b";
    let is_argument = |name: &str, error: Error| {
        assert_eq!(error.step(), "check argument");
        assert_eq!(error.path(), Path::new(name));
        assert!(error.message().contains(name), "{}", error);
    };
    let default = VolumeOptions::default();
    is_argument("dir_path", fails(Code::Invalid, Pool::open(nul)));
    is_argument("name", fails(Code::Invalid, Pool::options("/").name(nul).open()));
    is_argument("prefix", fails(Code::Invalid, Pool::options("/").prefix(nul).open()));
    is_argument("vid", fails(Code::Invalid, pool.volume(nul, &default)));
    is_argument(
        "source_vid",
        fails(Code::Invalid, pool.volume(PRIVATE, &VolumeOptions::snapshot(nul))),
    );
    is_argument("candidates", fails(Code::Invalid, pool.included_in(&["/", nul])));
    is_argument("source", fails(Code::Invalid, file_clone(nul, "b", &CloneOptions::default())));
    is_argument("target", fails(Code::Invalid, file_clone("a", nul, &CloneOptions::default())));
    is_argument("path", fails(Code::Invalid, file_resize(nul, 1)));
    is_argument("target_dir", fails(Code::Invalid, reflink_supported(nul, None)));
}

/// The same words as the library has for its own refusals.
#[test]
fn a_refusal_of_the_crate_reads_as_one_of_the_library() {
    let own = fails(Code::Invalid, Pool::open("a\0b"));
    let theirs = fails(Code::Invalid, Pool::open(""));
    assert_eq!((own.step(), own.path()), (theirs.step(), theirs.path()));
    let begin = |error: &Error| error.message().split(':').next().unwrap().to_owned();
    assert_eq!(begin(&own), begin(&theirs));
}

#[test]
fn numbers_that_stand_for_something_else_are_refused() {
    let place = Place::new("numbers");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "text");
    session(&volume, "more");
    fails(Code::Invalid, volume.revert(Some(0)));
    fails(Code::Invalid, volume.revert_async(Some(0)));
    fails(Code::Invalid, volume.prune(u32::MAX));
    let file = fs::File::open(place.image(PRIVATE, ".img")).unwrap();
    fails(Code::Invalid, volume.import_fd(&file, Some(u64::MAX), None));
    fails(Code::Invalid, volume.import_fd_async(&file, Some(u64::MAX)));
    let options = CloneOptions::default().size(u64::MAX);
    fails(Code::Invalid, file_clone(place.image(PRIVATE, ".img"), place.join("b"), &options));
    fails(Code::Invalid, pool.volume(PRIVATE, &VolumeOptions::origin(u64::MAX)));
    fails(Code::Invalid, volume.resize(u64::MAX, Shrink::Allow));
    fails(Code::Invalid, volume.resize_async(u64::MAX, Shrink::Allow));
    assert_eq!(numbers(&volume), [1]);
}

/// Names need not be text.
#[test]
fn paths_are_bytes() {
    let place = Place::new("bytes");
    let name = OsStr::from_bytes(b"pool-\xff");
    let directory = place.join("").join(name);
    let pool = Pool::options(&directory).open().unwrap();
    pool.setup().unwrap();
    let vid = OsStr::from_bytes(b"appvms/\xfe/private");
    let volume = pool.volume(vid, &VolumeOptions::origin(MIB)).unwrap();
    volume.create().unwrap();
    assert_eq!(pool.list().unwrap(), [vid]);
    assert_eq!(pool.info().unwrap().dir_path, directory);
    volume.start().unwrap();
    assert!(volume.path().is_file());
    let error = fails(Code::Dirty, volume.revert(None));
    assert!(error.path() == Path::new(vid) || error.path().starts_with(&directory), "{:?}", error);
}
